"""Every alert fires with exact labels and annotations, is silent just before, and on a near miss."""

from pathlib import Path

import pytest

from tests.rules import code_cases, exporter_cases, system_cases
from tests.rules.code_cases import NEW, NEW_RULES, NO_WORKERS, watched
from tests.rules.rule_test import Case, RuleSet
from tests.rules.series import CODES

CASES = code_cases.cases() | system_cases.cases() | exporter_cases.cases()


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_with_exact_texts_and_is_silent_before_and_on_a_near_miss(
    tmp_path: Path, name: str
) -> None:
    rules, cases = CASES[name]
    rules.check(tmp_path, *cases)


def test_every_code_is_watched_except_codes_that_never_alert() -> None:
    """The cases of spikes and overruns contain all watched codes."""
    known = {(code.system, code.code) for code in watched()}
    assert CODES.keys() - known == {("softdrive", "none"), ("streampixel", "1000")}


@pytest.mark.parametrize(("hour", "new"), [(168, False), (172, True)])
def test_code_is_new_again_a_week_after_its_last_end(tmp_path: Path, hour: int, new: bool) -> None:
    """The last end is in the third hour, so a count of a day contains it until the 27th hour."""
    case = code_cases.by_hour([NO_WORKERS], {2: 1, hour: 3}, hour + 2)
    case.fires(60 * hour + 30, NEW, new)
    NEW_RULES.check(tmp_path, case)


@pytest.mark.parametrize(("refusals", "fires"), [(10, False), (11, True)])
def test_ten_refused_requests_are_no_ticket_whatever_their_share(
    tmp_path: Path, refusals: int, fires: bool
) -> None:
    """A scanner may send a few requests while no other requests arrive."""
    values = f"0x60 {refusals}x60"
    case = Case({exporter_cases.REFUSED: values, exporter_cases.UNAUTHORIZED: values})
    alert = "SessionEndExporterRequestsRefused"
    case.fires_between(60, 120, alert, fires)
    RuleSet((alert,)).check(tmp_path, case)
