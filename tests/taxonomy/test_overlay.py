"""Overlays change a loaded system; mistakes name the overlay's file and line."""

from pathlib import Path

import pytest

from exporter.errors import ConfigError
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Owner, Severity, System

VALID = (Path(__file__).parents[1] / "testdata" / "taxonomy" / "valid.yaml").read_text()
NEW = """extends: acme
codes:
  - code: "4242"
    name: Out Of Quota
    phase: connect
    category: closure
    outcome: neutral
    owner: policy
    severity: none
    description: The account's quota is used up.
    causes: Many sessions.
    fix: Buy more.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, name: str, *rows: str, system: str = "streampixel") -> Path:
    """An overlay with these lines below `codes:`."""
    path = folder / f"{name}.yaml"
    path.write_text("\n".join((f"extends: {system}", "codes:", *rows, "")))
    return path


def loaded(folder: Path, system: str = "streampixel") -> System:
    return load([folder]).systems[system]


def mistakes_of(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load([folder])
    return list(caught.value.mistakes)


def test_an_overlay_replaces_its_keys_and_adds_aliases(folder: Path) -> None:
    shipped = load().systems["streampixel"].match("4006")
    path = write(
        *(folder, "mine", '  - code: "4006"', "    owner: client", "    planned: true"),
        *("    spike_floor: 9", "    severity: ticket", "    aliases: [Game Crashed]"),
    )
    path.write_text(path.read_text() + "objective: 0.9\n")
    system = loaded(folder)
    code = system.match("Game Crashed")
    assert (code.severity, code.owner) == (Severity.TICKET, Owner.CLIENT)
    assert (code.planned, code.spike_floor) == (True, 9)
    assert (code.name, code.fix, code.phase) == (shipped.name, shipped.fix, shipped.phase)
    assert system.match("Application Error") is system.match("4006") is code
    assert code.changed_by == f"{path}:4 (owner, planned, spike_floor, severity, aliases)"
    assert system.objective == 0.9
    assert [other.code for other in system.codes if other.changed_by] == ["4006"]


def test_an_overlay_changes_the_new_code_of_another_overlay(folder: Path) -> None:
    (folder / "own.yaml").write_text(VALID)
    (folder / "m-new.yaml").write_text(NEW)
    first = write(folder, "a", '  - code: "4242"', "    aliases: [quota]", system="acme")
    last = write(folder, "z", '  - code: "4242"', "    aliases: [limit]", system="acme")
    system = loaded(folder, "acme")
    code = system.match("quota")
    assert code is system.match("limit") is system.match("Out Of Quota")
    assert code.changed_by.split("; ") == [
        f"{first}:3 (new code)",
        f"{folder}/m-new.yaml:4 (name, phase, category, outcome, owner, severity, description, "
        "causes, fix)",
        f"{last}:4 (aliases)",
    ]


def test_equal_overlays_and_a_shipped_alias_are_no_mistake(folder: Path) -> None:
    """An upgrade to a release that ships the alias must not fail."""
    rows = ('  - code: "4001"', "    severity: ticket", "    aliases: [Worker Node Unavailable]")
    for name in "ab":
        write(folder, name, *rows)
    code = loaded(folder).match("4001")
    assert code.severity is Severity.TICKET
    assert code.aliases == load().systems["streampixel"].match("4001").aliases


def test_overlays_that_disagree_are_both_named(folder: Path) -> None:
    for name, value in (("a", "ticket"), ("b", "none")):
        path = write(folder, name, '  - code: "4006"', f"    severity: {value}")
        path.write_text(f"objective: 0.{len(value)}\n{path.read_text()}")
    advice = "overlays must agree: remove one of the two"
    assert mistakes_of(folder) == [
        f"{folder}/b.yaml:1: objective in the overlay has another value on {folder}/a.yaml:1; {advice}",
        f"{folder}/b.yaml:5: severity in code '4006' has another value on {folder}/a.yaml:5; {advice}",
    ]


def test_an_overlay_must_not_make_the_normal_code_a_failure(folder: Path) -> None:
    path = write(folder, "mine", '  - code: "1000"', "    outcome: failure")
    assert mistakes_of(folder) == [
        f"{path}:4: normal '1000' has outcome 'failure'; the normal end must have outcome 'success'"
    ]


def test_a_repeated_or_unquoted_code_is_refused(folder: Path) -> None:
    path = write(folder, "mine", "  - code: 4006", '  - code: "4001"', '  - code: "4001"')
    assert mistakes_of(folder) == [
        f'{path}:3: code 4006 in codes[1] is not text to YAML: quote it as "4006"',
        f"{path}:5: code '4001' is written twice, first on line 4",
    ]
