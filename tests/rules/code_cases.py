"""Cases for the alerts of codes. Each case contains all codes."""

from collections import Counter
from collections.abc import Iterable

from exporter.taxonomy.model import Code, Severity
from tests.rules.rule_test import Case, RuleSet
from tests.rules.series import CODES, DASHBOARDS, RUNBOOKS, TAXONOMY, counter, ends, share

SPIKE = "SessionEndSpike"
OVERRUN = "SessionEndOverrun"
ELEVATED = "SessionEndElevated"
NEW = "SessionEndNewCode"
LABELS = ("system", "code", "name", "phase", "category", "owner")
SIGNALS = {SPIKE: "spike", OVERRUN: "overrun", ELEVATED: "elevated", NEW: "new"}
SPIKE_RULES = RuleSet((SPIKE,), step=0.5)
OVERRUN_RULES = RuleSet((SPIKE, OVERRUN))
ELEVATED_RULES = RuleSet((ELEVATED,))
NEW_RULES = RuleSet((NEW,), step=15)
NO_WORKERS = CODES["streampixel", "4001"]
SUCCESS = CODES["streampixel", "1000"]


def watched(planned: bool | None = None) -> list[Code]:
    """Codes that can alert: all of them, or those with or without planned bursts."""
    return [
        code
        for code in CODES.values()
        if code.severity is not Severity.NONE and planned in (None, code.planned)
    ]


def normal_codes(codes: Iterable[Code]) -> dict[Code, int]:
    """The normal code of each system of `codes`, with the number of the system's codes in `codes`."""
    counts = Counter(code.system for code in codes)
    return {TAXONOMY.systems[system].normal: count for system, count in counts.items()}


def labels_of(code: Code, alert: str) -> dict[str, str]:
    """All labels of an alert, because routes and silences rely on them."""
    return {
        "severity": code.severity.value if alert == SPIKE else "ticket",
        "signal": SIGNALS[alert],
        **{name: str(getattr(code, name)) for name in LABELS},
    }


def texts_of(code: Code, alert: str, description: str, excess: str = "") -> dict[str, str]:
    """All annotations of an alert; only a spike has `excess`."""
    name = code.name if code.code in ("unknown", code.name) else f"{code.code} {code.name}"
    query = f"var-system={code.system}&var-code={code.code}"
    state = "is new" if alert == NEW else SIGNALS[alert]
    return {
        "summary": f"{name} {state} on {code.system}",
        "description": description,
        "causes": code.causes,
        "fix": code.fix,
        "runbook_url": f"{RUNBOOKS}/codes/{code.system}/{code.code}",
        "dashboard_url": f"{DASHBOARDS}/d/session-end-code?{query}",
        **({"excess": excess} if excess else {}),
    }


def history(
    codes: list[Code],
    ends_per_minute: float,
    *parts: tuple[float, float],
    expected_share: float = 0.001,
    every: float = 0.5,
    normal: float | None = None,
) -> Case:
    """Each part is a number of minutes, and the ends per minute of each code in it.

    The remaining ends of a system, or `normal` ends per minute, have its normal code. Each code has one end
    in the first minute: `increase` does not extrapolate a counter from 0.
    """
    increases = [rate * every for minutes, rate in parts for _ in range(round(minutes / every))]
    increases[0] = 1.0
    inputs = {ends(code): counter(increases) for code in codes}
    inputs |= {share(code): f"{expected_share}x{len(increases)}" for code in codes}
    for code, count in normal_codes(codes).items():
        others = [ends_per_minute * every - count * increase for increase in increases]
        if normal is not None:
            others = [normal * every] * len(increases)
        # A falling counter is a restart, and `increase` would count all of it again.
        assert min(others[1:]) >= 0
        inputs[ends(code)] = counter(others)
    return Case(inputs, every)


def all_fire(
    case: Case, codes: Iterable[Code], alert: str, at: float, description: str, excess: str = ""
) -> None:
    for code in codes:
        texts = texts_of(code, alert, description, excess)
        case.fires_with(at, alert, labels_of(code, alert), texts)


def spikes() -> list[Case]:
    """1,000 ends per minute, expected share 0.001:
    threshold5m = 3 + 3 * 5 + 4 * sqrt(5) + 0.015 * 5000 = 101.9,
    threshold15m = 2 + 3 * 15 + 4 * sqrt(15) + 0.01 * 15000 = 212.5 and
    threshold1h = 1.25 + 3 * 60 + 4 * sqrt(60) + 0.005 * 60000 = 512.2.
    """
    codes = watched(planned=False)
    # 120 ends after three minutes. 60 are left without the worst 90 seconds; 3.2 + 6 + 2.4 * sqrt(5) = 14.6
    # are needed. The capped sub-windows, of 52.3 at most, sum to 112.
    burst = history(codes, 1000, (20, 0), (5, 40))
    burst.silent(22.5, SPIKE)
    numbers = "120 in 5 min (expected 5.0), 2.4% of all session ends."
    all_fire(burst, codes, SPIKE, 23, numbers, "000000115")
    # 100 in 5 min; later 211.5 in 15 min, of which 70.5 are in 5 min; 312 in 1 h.
    near = history(codes, 1000, (10, 0), (5, 20), (15, 0), (15, 14.1), (5, 0))
    near.never_fires(SPIKE)
    return [burst, near]


def overruns() -> list[Case]:
    """More than 15 % of the ends of an hour, which half of all ends reach after 18 minutes."""
    codes = watched(planned=True)
    burst = history(codes, 20, (60, 0), (26, 10), expected_share=0.01, every=1)
    burst.silent(83, OVERRUN)
    numbers = (
        "240 in 1 h (expected 12.0), 20% of all session ends. "
        "Bursts of this code are planned; this burst is larger than a maintenance."
    )
    all_fire(burst, codes, OVERRUN, 84, numbers)
    near = history(codes, 20, (60, 0), (70, 2.9), expected_share=0.01, every=1)
    near.never_fires(OVERRUN)
    return [burst, near]


def elevations() -> list[Case]:
    """2,000 ends per hour, expected share 1 %. Two codes: promtool takes a minute for all codes.

    91.3 at 113 min, 1 of them in the first minute: 2.5 + 1.5 * 37.7 + 4 * sqrt(37.7) + 7.5 = 91.1.
    """
    codes = watched()[:2]
    creep = history(codes, 100 / 3, (60, 1 / 3), (90, 4 / 3), expected_share=0.01, every=1)
    creep.silent(142, ELEVATED)
    numbers = "131 in 6 h (expected 47.7), 2.755% of all session ends."
    all_fire(creep, codes, ELEVATED, 143, numbers)
    # threshold1d in the first eight hours is 2.5 + 240 + 51 + 32 = 325.
    near = history(codes, 100 / 3, (480, 2 / 3), expected_share=0.01, every=1)
    near.never_fires(ELEVATED)
    return [creep, near]


def first_ends() -> list[Case]:
    """First ends on the second day. Near misses: ends of the first day, a single end, and a code of four
    days ago. Two codes: the spikes have all texts."""
    codes = watched()[:2]
    first = by_hour(codes, {30: 3}, 32)
    first.silent(1800, NEW)
    all_fire(first, codes, NEW, 1815, "3 in 1 h, none in the 7 days before.")
    near = [
        by_hour(codes, {20: 3}, 22),
        by_hour(codes, {30: 1}, 32),
        by_hour(codes, {2: 1, 100: 3}, 102),
    ]
    for case in near:
        case.never_fires(NEW)
    return [first, *near]


def by_hour(codes: list[Code], counts: dict[int, int], hours: int) -> Case:
    """Four samples an hour; `counts` has the ends of each code by the hour."""
    increases = [count for hour in range(hours) for count in (counts.get(hour, 0), 0, 0, 0)]
    inputs = {ends(code): counter(increases) for code in codes}
    for code in normal_codes(codes):
        inputs[ends(code)] = counter([10.0] * len(increases))
    return Case(inputs, every=15)


def cases() -> dict[str, tuple[RuleSet, list[Case]]]:
    return {
        "spike": (SPIKE_RULES, spikes()),
        "overrun": (OVERRUN_RULES, overruns()),
        "elevated": (ELEVATED_RULES, elevations()),
        "new": (NEW_RULES, first_ends()),
    }
