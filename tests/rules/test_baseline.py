"""The baseline share of a code in the first hours, and after days without a new median."""

from pathlib import Path

from exporter import names
from tests.rules.code_cases import NO_WORKERS, SPIKE, SUCCESS
from tests.rules.rule_test import BASELINE, SESSION_ENDS, Case, RuleSet
from tests.rules.series import ends, series

HOUR = 60
SHARE = 'round(system_code:session_ends:share{code="4001"}, 0.01)'
LABELS = '{code="4001", system="streampixel"}'
FILES = (BASELINE, SESSION_ENDS)


def test_baseline_is_a_median_after_three_hours(tmp_path: Path) -> None:
    """One of 20 ends has the code. Earlier, the baseline is a quarter above the lowest share of an hour."""
    case = Case({ends(SUCCESS): f"0+19x{4 * HOUR}", ends(NO_WORKERS): f"0+1x{4 * HOUR}"})
    case.query(2.4 * HOUR, SHARE, {LABELS: 0.06})
    case.query(3.1 * HOUR, SHARE, {LABELS: 0.05})
    RuleSet((SPIKE,), files=FILES, step=None).check(tmp_path, case)


def test_median_is_used_for_four_days(tmp_path: Path) -> None:
    """As after a long weekend on which Prometheus was down. Nothing else could be a baseline here."""
    labels = {"system": "streampixel", "code": "4001"}
    case = Case({series(f"{names.RULE_SHARE}7d_snapshot", labels): "0.02"})
    case.query(95 * HOUR, SHARE, {LABELS: 0.02})
    case.query(97 * HOUR, SHARE, {})
    RuleSet((SPIKE,), files=FILES, step=30).check(tmp_path, case)
