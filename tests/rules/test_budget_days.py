"""The budget's slowest pair at full length: three days against six hours, counted every two minutes.

The six hours' counts are inputs: three days of them are 2,160 samples, where promtool reads 10,000.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import names
from tests.rules import system_cases
from tests.rules.promtool import BUDGET_GROUP, SESSION_ENDS, WORDS_GROUP, Case, Run, series

SYSTEM = "streampixel"
ALERT = system_cases.ALERTS["budget"]
DAY = 1440
COUNTED = 6000
"""Sessions that count, in any six hours."""


def days(*parts: tuple[int, float]) -> Case:
    """So many minutes with such a part of the sessions failing, in each of their six hours."""
    ratio = [part for minutes, part in parts for _ in range(minutes // 2)]
    failed = [COUNTED * part for part in ratio]
    return six_hours(failed, [COUNTED - count for count in failed])


def six_hours(failures: Sequence[float], successes: Sequence[float]) -> Case:
    """A value every two minutes: ends in the six hours before it."""
    inputs = {}
    for outcome, counts in (("failure", failures), ("success", successes)):
        labels = {"system": SYSTEM, "outcome": outcome}
        values = " ".join(f"{count:g}" for count in counts)
        inputs[series(names.RULE_COUNT_BY_OUTCOME + "6h", labels)] = values
    objective = series(names.SESSION_END_OBJECTIVE, {"system": SYSTEM})
    return Case("2m", inputs | {objective: f"0.995x{len(failures)}"})


def run_of(*cases: Case) -> Run:
    """Evaluated every four minutes: `Since` is read back, and Prometheus forgets a sample after five."""
    records = [names.RULE_COUNT_BY_OUTCOME + "3d", names.RULE_OBJECTIVE]
    records += [names.RULE_ERROR_RATIO + window for window in ("3d", "6h")]
    only = (WORDS_GROUP, BUDGET_GROUP)
    return Run((SESSION_ENDS,), cases, only=only, records=tuple(records), step="4m")


def test_three_days_at_the_objective_are_silent_and_above_it_a_ticket(tmp_path: Path) -> None:
    at, above = days((4 * DAY, 0.0049)), days((4 * DAY, 0.0051))
    last = f"{4 * DAY - 4}m"
    at.query(last, f'count_over_time(ALERTS{{alertname="{ALERT}"}}[4d])', {})
    above.firing(
        last,
        ALERT,
        system_cases.labels_of(SYSTEM, "budget"),
        system_cases.texts_of(
            SYSTEM,
            "Error budget burns too fast",
            "0.51% of the sessions that count failed; the objective allows 0.5% over 30 days. "
            # Two hours in, there are ten failures: 59 samples of 0.17.
            "Since 01:56 UTC.",
        ),
    )
    assert run_of(at, above).verdict(tmp_path) == ""


def test_a_bad_day_after_two_good_ones_is_a_ticket_when_the_three_days_are_over(
    tmp_path: Path,
) -> None:
    """1.6 % from the fourth day on: three days hold 0.5 % after 1,351 minutes of it."""
    case = days((3 * DAY, 0), (DAY, 0.016))
    case.silent(f"{3 * DAY + 1352}m", ALERT)
    case.firing(
        f"{3 * DAY + 1356}m",
        ALERT,
        system_cases.labels_of(SYSTEM, "budget"),
        system_cases.texts_of(
            SYSTEM,
            "Error budget burns too fast",
            "0.5027% of the sessions that count failed; the objective allows 0.5% over 30 days. "
            "Since 22:32 UTC.",
        ),
    )
    assert run_of(case).verdict(tmp_path) == ""


def test_a_bad_days_ticket_is_kept_for_a_day_and_no_longer_though_three_days_remember_it(
    tmp_path: Path,
) -> None:
    """Without the first the pair goes on and off by chance, without the second it is never over."""
    case = days((2 * DAY, 0), (DAY, 0.016), (2 * DAY, 0.001))
    firing = f'count(ALERTS{{alertname="{ALERT}", alertstate="firing"}})'
    case.query(f"{4 * DAY - 8}m", firing, {"{}": 1})
    at = f"{4 * DAY + 8}m"
    case.query(at, f"{names.RULE_ERROR_RATIO}3d > bool 0.005", {f'{{system="{SYSTEM}"}}': 1})
    case.silent(at, ALERT)
    assert run_of(case).verdict(tmp_path) == ""


@pytest.mark.parametrize(("failures", "fires"), [(0.8, False), (0.9, True)])
def test_fewer_than_ten_failures_in_three_days_are_none_whatever_their_share(
    tmp_path: Path, failures: float, fires: bool
) -> None:
    """A failure is in 180 of the six hours' counts, so 0.8 in each are 9.6 in three days."""
    case = six_hours([failures] * (2 * DAY), [8 - failures] * (2 * DAY))
    firing = f'count(ALERTS{{alertname="{ALERT}", alertstate="firing"}})'
    case.query(f"{4 * DAY - 4}m", firing, {"{}": 1} if fires else {})
    assert run_of(case).verdict(tmp_path) == ""
