"""Spikes of codes that a build can cause say how long ago the last build came."""

from pathlib import Path

import pytest

from exporter import names
from exporter.streampixel.builds import BUILDS, REACHING, TEST
from exporter.taxonomy.model import Code, Owner
from tests.rules import code_cases
from tests.rules.promtool import SESSION_ENDS, WINDOWS_GROUP, WORDS_GROUP, Case, Run, series

AT = 23 * 60 + 30
"""When the spikes of `code_cases` fire, in seconds from the beginning."""
NUMBERS = "140 in 5 min (expected 5.0), 2.8% of all session ends, since 00:23 UTC."
SUSPECT = [code for code in code_cases.bursting("streampixel") if code.owner is Owner.APPLICATION]
OTHERS = [code for code in code_cases.bursting("streampixel") if code not in SUSPECT]


def last_build(event: str, instance: str = "exporter:1", system: str = "streampixel") -> str:
    labels = {"system": system, "event": event, "instance": instance}
    return series(names.PLATFORM_LAST_BUILD, {**labels, "job": "session-end-exporter"})


def spikes(codes: list[Code], builds: dict[str, float], line: str) -> Run:
    """All codes at once, after builds at such seconds."""
    case = code_cases.rates("streampixel", codes, 1000, (20, 0), (5, 40), usual=0.001, step=30)
    inputs = {name: f"{at}x60" for name, at in builds.items()}
    case = Case(case.interval, case.inputs | inputs)
    for code in codes:
        texts = code_cases.texts_of(code, "spike", NUMBERS + line)
        case.firing(
            "23m30s",
            code_cases.ALERTS["spike"],
            code_cases.labels_of(code, "spike"),
            texts,
        )
    return Run((SESSION_ENDS,), (case,), only=(WORDS_GROUP, WINDOWS_GROUP), step="30s")


def said(age: str) -> str:
    return f" A build was approved or distributed {age} ago: check that build first."


def test_the_suspect_codes_are_those_of_the_application() -> None:
    assert [code.code for code in SUSPECT] == ["4002", "4003", "4006"]


@pytest.mark.parametrize(
    ("builds", "line"),
    [
        ({last_build("build.approved"): AT - 754}, said("12m 34s")),
        ({last_build("build.distributing"): AT - 60}, said("1m 0s")),
        (
            {last_build("build.distributing"): AT - 900, last_build("build.approved"): AT - 300},
            said("5m 0s"),
        ),
        ({last_build("build.approved", one): AT - 300 for one in ("a:1", "b:1")}, said("5m 0s")),
        ({last_build("build.approved"): AT - 6 * 3600}, said("6h 0m 0s")),
        ({last_build("build.approved"): AT - 6 * 3600 - 1}, ""),
        ({last_build(one): AT - 60 for one in (*BUILDS, TEST) if one not in REACHING}, ""),
        ({last_build("build.approved", system="softdrive"): AT - 60}, ""),
        ({}, ""),
    ],
    ids=["approved", "distributed", "last", "replicas", "6 h", "over 6 h", "others", "other", "no"],
)
def test_a_spike_of_a_suspect_code_tells_the_last_builds_age(
    tmp_path: Path, builds: dict[str, float], line: str
) -> None:
    assert spikes(SUSPECT, builds, line).verdict(tmp_path) == ""


def test_a_spike_of_another_code_says_nothing_of_builds(tmp_path: Path) -> None:
    run = spikes(OTHERS, {last_build("build.approved"): AT - 60}, "")
    assert run.verdict(tmp_path) == ""
