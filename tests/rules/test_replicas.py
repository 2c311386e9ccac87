"""Counts are the same with one exporter, with exporters that share the work, and with replicas."""

from pathlib import Path

from exporter import names
from tests.rules.code_cases import NO_WORKERS, SUCCESS
from tests.rules.rule_test import BASELINE, SESSION_ENDS, Case, RuleSet
from tests.rules.series import counter, ends

MINUTES = 90
COUNTS = ((SUCCESS, [20.0] * MINUTES), (NO_WORKERS, [1.0] * 60 + [8.0] * 30))


def split(*parts: tuple[float, dict[str, str]]) -> dict[str, str]:
    """The ends, divided into equal parts with these labels."""
    return {
        ends(code, **labels): counter(step * part for step in steps)
        for code, steps in COUNTS
        for part, labels in parts
    }


def with_counts(inputs: dict[str, str]) -> Case:
    """After 90 minutes: 8 of 28 ends per minute for the last half-hour."""
    case = Case(inputs)
    code, system = '{code="4001", system="streampixel"}', '{system="streampixel"}'
    for window, expected in (("5m", 40), ("15m", 120), ("1h", 270)):
        case.query(MINUTES, f"round({names.RULE_COUNT}{window}{{code='4001'}})", {code: expected})
    for record, expected in (
        (names.RULE_COUNT + "5m", 140),
        (names.RULE_COUNT + "1h", 1470),
        (names.RULE_COUNT_BY_OUTCOME + "15m{outcome='success'}", 300),
        (names.RULE_COUNT_BY_OUTCOME + "1h{outcome='failure'}", 270),
        (names.RULE_COUNT_BY_OUTCOME + "1h{outcome!='neutral'}", 1470),
    ):
        case.query(MINUTES, f"round(sum by (system) ({record}))", {system: expected})
    # (0.3 + 292) / (30 + 2072): the group of the baseline is first, so it reads a count of one
    # evaluation before.
    share = "round(system_code:session_ends:share6h{code='4001'}, 0.001)"
    case.query(MINUTES, share, {code: 0.139})
    case.query(MINUTES, "count(ALERTS{alertstate='firing', signal='spike'})", {"{}": 1})
    return case


def test_counts_do_not_depend_on_the_number_of_exporters(tmp_path: Path) -> None:
    inputs = (
        split((1, {})),
        split(
            (0.75, {"ledger": "a", "instance": "exporter:1"}),
            (0.25, {"ledger": "b", "instance": "exporter:2"}),
        ),
        # Three replicas of one ledger: each shows all of it.
        split(*((1, {"ledger": "a", "instance": f"replica:{number}"}) for number in range(3))),
        split((0.5, {"region": "eu"}), (0.5, {"region": "us"})),
    )
    late = split((1, {"instance": "replica:0"}))
    late[ends(NO_WORKERS, instance="replica:1")] = counter([0.0, *COUNTS[1][1][:-1]])
    late_scrape = Case(late)
    late_scrape.query(MINUTES, f"sum(round({names.RULE_COUNT}5m{{code='4001'}}))", {"{}": 40})
    RuleSet(files=(BASELINE, SESSION_ENDS)).check(tmp_path, *map(with_counts, inputs), late_scrape)
