"""Every code's alerts: each fires with exact labels and texts, and neither just before nor nearly."""

from pathlib import Path

import pytest

from exporter.taxonomy.model import Code
from tests.rules import code_cases
from tests.rules.promtool import CODES, TAXONOMY, Run

SYSTEMS = list(TAXONOMY.systems)
WITH_PLANNED = [system for system in SYSTEMS if code_cases.planned(system)]


def fires_all(run: Run, codes: list[Code], signal: str, folder: Path) -> None:
    assert run.fired == {code_cases.ALERTS[signal]}
    fired = [test["exp_alerts"] for case in run.cases for test in case.alerts if test["exp_alerts"]]
    assert [len(alerts) for alerts in fired] == [len(codes)]
    assert run.verdict(folder) == ""


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_code_that_is_not_planned_spikes_in_the_third_minute_of_an_outage(
    tmp_path: Path, system: str
) -> None:
    fires_all(code_cases.spikes(system), code_cases.bursting(system), "spike", tmp_path)


@pytest.mark.parametrize("system", WITH_PLANNED)
def test_every_planned_code_overruns_after_five_minutes_above_fifteen_percent(
    tmp_path: Path, system: str
) -> None:
    fires_all(code_cases.overruns(system), code_cases.planned(system), "overrun", tmp_path)


@pytest.mark.parametrize("system", SYSTEMS)
def test_codes_are_elevated_by_a_creep_that_no_page_sees(tmp_path: Path, system: str) -> None:
    fires_all(code_cases.elevations(system), code_cases.crept(system), "elevated", tmp_path)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_code_is_new_when_a_system_of_two_days_has_it_first(
    tmp_path: Path, system: str
) -> None:
    fires_all(code_cases.firsts(system), code_cases.watched(system), "new", tmp_path)


def test_every_code_is_watched_but_those_that_never_alert() -> None:
    found = {(code.system, code.code) for system in SYSTEMS for code in code_cases.watched(system)}
    assert CODES.keys() - found == {("softdrive", "none"), ("streampixel", "1000")}
