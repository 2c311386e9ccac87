"""Runbook facts are read strictly: each mistake is named with its place, and no code goes without."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import exporter.runbooks
from exporter.errors import ConfigError
from exporter.rule_files import alerts
from exporter.runbooks.loader import load, misfits, read_library
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import PHASES, Outcome, Owner, Taxonomy

TAXONOMY = load_taxonomy()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the package's files, to be spoilt."""
    shipped = Path(exporter.runbooks.__path__[0])
    for path in shipped.glob("*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def spoil(folder: Path) -> Callable[[str, str, str], list[str]]:
    """Replaces a text in one of the files, the first time it is there; the mistakes, without the folder."""

    def spoilt(name: str, old: str, new: str) -> list[str]:
        path = folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(ConfigError) as caught:
            read_library(folder)
        return [one.removeprefix(f"{folder}/") for one in caught.value.mistakes]

    return spoilt


def test_every_shipped_code_has_a_runbook_of_its_own() -> None:
    library = load(TAXONOMY)
    codes = {(code.system, code.code) for one in TAXONOMY.systems.values() for code in one.codes}
    assert set(library.codes) == codes
    assert library.unknown is not None


def test_every_owner_phase_outcome_and_signal_has_its_texts() -> None:
    library = load(TAXONOMY)
    assert set(library.owners) == set(Owner)
    assert set(library.phases) == {*PHASES, "unknown"}
    assert set(library.outcomes) == set(Outcome)


def test_every_alert_has_a_runbook_or_the_text_of_its_signal() -> None:
    library = load(TAXONOMY)
    assert library.alerts.keys() <= {alert.name for alert in alerts()}
    for alert in alerts():
        assert alert.name in library.alerts or alert.signal in library.signals


@pytest.mark.parametrize(
    ("name", "old", "new", "mistake"),
    [
        (
            "streampixel.yaml",
            "    impact:",
            "    impakt:",
            r"streampixel.yaml:\d+: unknown key 'impakt' in runbooks\[1\]; allowed are codes, first, "
            "impact, steps, mitigation, checks",
        ),
        (
            "streampixel.yaml",
            "ask: traffic",
            "ask: trafic",
            r"streampixel.yaml:\d+: ask 'trafic' in steps\[2\] is not allowed; allowed are limit, .*",
        ),
        (
            "streampixel.yaml",
            'codes: ["1001"]',
            'codes: ["1000"]',
            r"streampixel.yaml:\d+: code '1000' has two runbooks",
        ),
        (
            "streampixel.yaml",
            "      - ask: successes\n",
            '      - ask: successes\n        codes: ["4001"]\n',
            r"streampixel.yaml:\d+: 'successes' in steps\[1\] takes no codes",
        ),
        (
            "softdrive.yaml",
            '        codes: ["03", "04", "11", "19"]\n',
            "",
            r"softdrive.yaml:\d+: 'family' in steps\[1\] needs codes",
        ),
        (
            "generic.yaml",
            "owner: nobody",
            "owner: user",
            r"generic.yaml:\d+: owners lacks 'nobody'",
        ),
        (
            "alerts.yaml",
            "    meaning:",
            "    meanings:",
            r"alerts.yaml:\d+: unknown key 'meanings' in alerts\[1\]; allowed are alert, meaning, first, "
            "impact, steps, mitigation, checks",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(
    spoil: Callable[[str, str, str], list[str]], name: str, old: str, new: str, mistake: str
) -> None:
    found = spoil(name, old, new)
    assert [one for one in found if re.fullmatch(mistake, one)], found


def test_a_code_that_is_new_in_a_shipped_taxonomy_needs_a_runbook() -> None:
    systems = dict(TAXONOMY.systems)
    known = systems["streampixel"]
    new = replace(known.codes[-1], code="4008")
    systems["streampixel"] = replace(known, codes=(*known.codes, new))
    library = load(TAXONOMY)
    assert misfits(library, Taxonomy(systems)) == ["streampixel 4008 has no runbook"]


def test_a_runbook_and_a_comparison_need_their_codes() -> None:
    systems = dict(TAXONOMY.systems)
    known = systems["streampixel"]
    systems["streampixel"] = replace(
        known, codes=tuple(code for code in known.codes if code.code != "4007")
    )
    assert misfits(load(TAXONOMY), Taxonomy(systems)) == [
        "the runbook of streampixel 4007 has no code",
        "the runbook of streampixel 1005 compares with 4007, which is no code",
        "the runbook of streampixel 1006 compares with 4007, which is no code",
    ]


def test_a_users_own_system_needs_no_runbooks() -> None:
    systems = dict(TAXONOMY.systems)
    systems["acme"] = replace(systems["streampixel"], system="acme")
    assert misfits(load(TAXONOMY), Taxonomy(systems)) == []
