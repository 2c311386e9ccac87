"""The budget's slowest pair at full length: three days against six hours, counted every two minutes.

The six hours' counts are inputs: three days of them are 2,160 samples, where promtool reads 10,000.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import names
from tests.rules.rule_test import BUDGET, WORDS, Case, RuleSet
from tests.rules.series import series
from tests.rules.system_cases import BURN, burn_labels, burn_texts

SYSTEM = "streampixel"
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
    return Case(inputs | {objective: f"0.995x{len(failures)}"}, every=2)


RULES = RuleSet(
    groups=(WORDS, BUDGET),
    records=(
        names.RULE_COUNT_BY_OUTCOME + "3d",
        names.RULE_OBJECTIVE,
        *(names.RULE_ERROR_RATIO + window for window in ("3d", "6h")),
    ),
    # `Since` is read back, and Prometheus forgets a sample after five minutes.
    step=4,
)


@pytest.mark.parametrize(("ratio", "fires"), [(0.0049, False), (0.0051, True)])
def test_three_days_above_the_objective_are_a_ticket(
    tmp_path: Path, ratio: float, fires: bool
) -> None:
    case = days((4 * DAY, ratio))
    case.fires_between(-1, 4 * DAY - 4, BURN, fires)
    RULES.check(tmp_path, case)


def test_bad_day_after_two_good_days_is_a_ticket_with_texts(tmp_path: Path) -> None:
    """1.6 % from the fourth day on: the ratio of three days is 0.5 % after 1,351 minutes of it."""
    case = days((3 * DAY, 0), (DAY, 0.016))
    case.silent(3 * DAY + 1352, BURN)
    description = (
        "0.5027% of the sessions that count failed; the objective allows 0.5% over 30 days. "
        "Since 22:32 UTC."
    )
    case.fires_with(3 * DAY + 1356, BURN, burn_labels(SYSTEM), burn_texts(SYSTEM, description))
    RULES.check(tmp_path, case)


def test_ticket_of_a_bad_day_lasts_a_day_although_three_days_contain_it(tmp_path: Path) -> None:
    """Without the three days the ticket goes on and off by chance, without the six hours it never ends."""
    case = days((2 * DAY, 0), (DAY, 0.016), (2 * DAY, 0.001))
    case.fires(4 * DAY - 8, BURN)
    at = 4 * DAY + 8
    case.query(at, f"{names.RULE_ERROR_RATIO}3d > bool 0.005", {f'{{system="{SYSTEM}"}}': 1})
    case.silent(at, BURN)
    RULES.check(tmp_path, case)


@pytest.mark.parametrize(("failures", "fires"), [(0.8, False), (0.9, True)])
def test_fewer_than_ten_failures_in_three_days_are_no_ticket(
    tmp_path: Path, failures: float, fires: bool
) -> None:
    """A failure is in 180 of the six hours' counts, so 0.8 in each are 9.6 in three days."""
    case = six_hours([failures] * (2 * DAY), [8 - failures] * (2 * DAY))
    case.fires(4 * DAY - 4, BURN, fires)
    RULES.check(tmp_path, case)
