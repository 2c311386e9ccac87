"""SessionEndBudgetBurn with its longest windows, three days and six hours.

The counts of six hours are inputs, because promtool reads at most 10,000 samples.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import names
from tests.rules.rule_test import Case, RuleSet
from tests.rules.series import series
from tests.rules.system_cases import BURN, burn_labels, burn_texts

SYSTEM = "streampixel"
DAY = 1440
COUNTED = 6000
"""Successes and failures in six hours."""


def days(*parts: tuple[int, float]) -> Case:
    """Each part is a number of minutes, and the ratio of failures in them."""
    ratio = [part for minutes, part in parts for _ in range(minutes // 2)]
    failed = [COUNTED * part for part in ratio]
    return six_hours(failed, [COUNTED - count for count in failed])


def six_hours(failures: Sequence[float], successes: Sequence[float]) -> Case:
    """Counts of six hours, a value every two minutes."""
    inputs = {}
    for outcome, counts in (("failure", failures), ("success", successes)):
        labels = {"system": SYSTEM, "outcome": outcome}
        values = " ".join(f"{count:g}" for count in counts)
        inputs[series(names.RULE_COUNT_BY_OUTCOME + "6h", labels)] = values
    objective = series(names.SESSION_END_OBJECTIVE, {"system": SYSTEM})
    return Case(inputs | {objective: f"0.995x{len(failures)}"}, every=2)


# Steps below five minutes: the rule reads its own result, which Prometheus returns for five minutes.
RULES = RuleSet((BURN,), step=4)


@pytest.mark.parametrize(
    ("case", "fires"),
    [
        (days((4 * DAY, 0.0049)), False),
        (days((4 * DAY, 0.0051)), True),
        # Each failure is in 180 counts of six hours, so counts of 0.8 are 9.6 failures in three days.
        (six_hours([0.8] * (2 * DAY), [7.2] * (2 * DAY)), False),
        (six_hours([0.9] * (2 * DAY), [7.1] * (2 * DAY)), True),
    ],
    ids=["below objective", "above objective", "9.6 failures", "10.8 failures"],
)
def test_three_days_above_the_objective_with_ten_failures_are_a_ticket(
    tmp_path: Path, case: Case, fires: bool
) -> None:
    case.fires_between(-1, 4 * DAY - 4, BURN, fires)
    RULES.check(tmp_path, case)


def test_bad_day_after_two_good_days_is_a_ticket_with_texts(tmp_path: Path) -> None:
    """1.6 % fail from the fourth day on: the ratio of three days is 0.5 % after 1,351 minutes. The ratio of
    an hour without sessions is not a number."""
    case = days((3 * DAY, 0), (DAY, 0.016))
    for outcome in ("failure", "success"):
        hour = {"system": SYSTEM, "outcome": outcome}
        case.inputs[series(names.RULE_COUNT_BY_OUTCOME + "1h", hour)] = f"0x{2 * DAY}"
    case.silent(3 * DAY + 1352, BURN)
    texts = burn_texts(SYSTEM, "unknown in 1 h, 1.60 % in 6 h and 0.50 % in 3 d")
    case.fires_with(3 * DAY + 1356, BURN, burn_labels(SYSTEM), texts)
    RULES.check(tmp_path, case)


def test_ticket_of_a_bad_day_lasts_a_day_although_three_days_contain_it(tmp_path: Path) -> None:
    """Without the window of three days the ticket flaps; without that of six hours it lasts too long."""
    case = days((2 * DAY, 0), (DAY, 0.016), (2 * DAY, 0.001))
    case.fires(4 * DAY - 8, BURN)
    at = 4 * DAY + 8
    case.query(
        at, f"group by (system) ({names.RULE_ERROR_RATIO}3d > 0.005)", {f'{{system="{SYSTEM}"}}': 1}
    )
    case.silent(at, BURN)
    RULES.check(tmp_path, case)
