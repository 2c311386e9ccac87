"""The same numbers with one exporter, with two that share the work, and with replicas of one ledger."""

from pathlib import Path

from exporter import names
from tests.rules.code_cases import NO_WORKERS, SUCCESS
from tests.rules.rule_test import BASELINE, SESSION_ENDS, Case, RuleSet
from tests.rules.series import counter, ends

RULES = RuleSet((BASELINE, SESSION_ENDS))
MINUTES = 90
SUCCESSES = [20.0] * MINUTES
FAILURES = [1.0] * 60 + [8.0] * 30


def one_exporter() -> dict[str, str]:
    return {ends(SUCCESS): counter(SUCCESSES), ends(NO_WORKERS): counter(FAILURES)}


def two_exporters() -> dict[str, str]:
    """Each with a ledger of its own, three quarters of the work and one."""
    return {
        ends(code, ledger, instance): counter(step * part for step in steps)
        for code, steps in ((SUCCESS, SUCCESSES), (NO_WORKERS, FAILURES))
        for ledger, instance, part in (("a", "exporter:1", 0.75), ("b", "exporter:2", 0.25))
    }


def three_replicas() -> dict[str, str]:
    """One ledger, so each shows all of it."""
    return {
        ends(code, "a", f"replica:{number}"): counter(steps)
        for code, steps in ((SUCCESS, SUCCESSES), (NO_WORKERS, FAILURES))
        for number in range(3)
    }


def label_combinations() -> dict[str, str]:
    """One exporter whose ends are split by a configured label."""
    return {
        ends(code, region=region): counter(step * part for step in steps)
        for code, steps in ((SUCCESS, SUCCESSES), (NO_WORKERS, FAILURES))
        for region, part in (("eu", 0.5), ("us", 0.5))
    }


def numbers(inputs: dict[str, str]) -> Case:
    """What all of them must show 90 minutes in: 8 of 28 a minute, for the last half-hour."""
    case = Case(inputs)
    per_code, per_system = '{code="4001", system="streampixel"}', '{system="streampixel"}'
    at = MINUTES
    for record, expected in (
        (names.RULE_COUNT + "5m", 40),
        (names.RULE_COUNT + "15m", 120),
        (names.RULE_COUNT + "1h", 270),
    ):
        case.query(at, f"round({record}{{code='4001'}})", {per_code: expected})
    for record, expected in (
        (names.RULE_COUNT + "5m", 140),
        (names.RULE_COUNT + "1h", 1470),
        (names.RULE_COUNT_BY_OUTCOME + "15m{outcome='success'}", 300),
        (names.RULE_COUNT_BY_OUTCOME + "1h{outcome='failure'}", 270),
        (names.RULE_COUNT_BY_OUTCOME + "1h{outcome!='neutral'}", 1470),
    ):
        case.query(at, f"round(sum by (system) ({record}))", {per_system: expected})
    # (0.3 + 292) / (30 + 2072): the baseline's group comes first, and so reads a day's count that is one
    # evaluation old.
    case.query(at, "round(system_code:session_ends:share1d{code='4001'}, 0.001)", {per_code: 0.139})
    case.query(at, "count(ALERTS{alertstate='firing', signal='spike'})", {"{}": 1})
    return case


def test_numbers_do_not_depend_on_the_number_of_exporters(tmp_path: Path) -> None:
    cases = [
        numbers(inputs)
        for inputs in (one_exporter(), two_exporters(), three_replicas(), label_combinations())
    ]
    RULES.check(tmp_path, *cases)


def test_replica_that_is_scraped_late_adds_nothing(tmp_path: Path) -> None:
    late = [0.0, *FAILURES[:-1]]
    case = Case(
        {
            ends(SUCCESS): counter(SUCCESSES),
            ends(NO_WORKERS, "a", "replica:0"): counter(FAILURES),
            ends(NO_WORKERS, "a", "replica:1"): counter(late),
        },
    )
    case.query(MINUTES, f"sum(round({names.RULE_COUNT}5m{{code='4001'}}))", {"{}": 40})
    RULES.check(tmp_path, case)
