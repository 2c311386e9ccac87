"""Every system's own alerts: each fires with exact labels and texts, and neither just before nor nearly."""

from pathlib import Path

import pytest

from tests.rules import system_cases
from tests.rules.promtool import TAXONOMY

SYSTEMS = list(TAXONOMY.systems)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_pages_three_minutes_after_its_last_success(
    tmp_path: Path, system: str
) -> None:
    run = system_cases.stops(system)
    assert run.fired == {system_cases.ALERTS["stopped"]}
    assert run.verdict(tmp_path) == ""


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_system_has_a_ticket_when_its_budget_burns_six_times_too_fast(
    tmp_path: Path, system: str
) -> None:
    run = system_cases.burns(system)
    assert run.fired == {system_cases.ALERTS["budget"]}
    assert run.verdict(tmp_path) == ""
