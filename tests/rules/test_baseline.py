"""The baseline share of a code in the first hours, and after Prometheus has recorded nothing for a while."""

from pathlib import Path

import pytest

from tests.rules.code_cases import NO_WORKERS, SPIKE, SUCCESS
from tests.rules.rule_test import BASELINE, SESSION_ENDS, Case, RuleSet
from tests.rules.series import ends

HOURS = 60
SHARE = 'round(system_code:session_ends:share{code="4001"}, 0.01)'
LABELS = '{code="4001", system="streampixel"}'
RULES = RuleSet((SPIKE,), files=(BASELINE, SESSION_ENDS))


@pytest.mark.parametrize(("gap", "share"), [(48, 0.05), (56, 0.04)])
def test_baseline_is_known_after_a_gap_of_up_to_two_days(
    tmp_path: Path, gap: int, share: float
) -> None:
    """One of 20 ends has the code. After a longer gap, the share is that of a new installation: the lowest of
    the first minutes. For six hours of the gap, counts of six hours and the baseline are still recorded."""
    before, after = 12 * HOURS, HOURS
    case = Case(
        {
            ends(code): f"0+{step}x{before} _x{gap * HOURS} {step * before}+{step}x{after}"
            for code, step in ((SUCCESS, 19), (NO_WORKERS, 1))
        }
    )
    # The lowest live share of the last hour, until there are six snapshots of it.
    case.query(100, SHARE, {LABELS: 0.06})
    case.query(3 * HOURS + 1, SHARE, {LABELS: 0.05})
    case.query(before + gap * HOURS + 50, SHARE, {LABELS: share})
    RULES.check(tmp_path, case)
