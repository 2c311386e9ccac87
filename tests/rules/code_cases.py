"""Cases for the alerts of codes: all codes of a system at once, so that none is left out."""

from exporter import names
from exporter.taxonomy.model import Code, Severity
from tests.rules.promtool import (
    CODES,
    DASHBOARDS,
    LONG_GROUP,
    RUNBOOKS,
    SESSION_ENDS,
    SNAPSHOTS_GROUP,
    TAXONOMY,
    WINDOWS_GROUP,
    WORDS_GROUP,
    Case,
    Run,
    counted,
    ends,
    share,
)

ALERTS = {
    "spike": "SessionEndSpike",
    "overrun": "SessionEndOverrun",
    "elevated": "SessionEndElevated",
    "new": "SessionEndNewCode",
}
"""By signal."""
NEW_READS = (
    names.RULE_SUM,
    names.RULE_SUM_SNAPSHOT,
    names.RULE_COUNT + "1h",
    names.RULE_COUNT + "1d",
    names.RULE_COUNT + "1d_snapshot",
    names.RULE_CODE_INFO,
    names.RULE_CODE_HELP,
)
"""The records that SessionEndNewCode is made from."""


def watched(system: str) -> list[Code]:
    return [
        code
        for (name, _), code in CODES.items()
        if name == system and code.severity is not Severity.NONE
    ]


def planned(system: str) -> list[Code]:
    return [code for code in watched(system) if code.planned]


def bursting(system: str) -> list[Code]:
    return [code for code in watched(system) if code not in planned(system)]


def labels_of(code: Code, signal: str) -> dict[str, str]:
    """What routing and silences rely on; promtool compares the whole set."""
    return {
        "severity": code.severity.value if signal == "spike" else "ticket",
        "signal": signal,
        "system": code.system,
        "code": code.code,
        "name": code.name,
        "phase": code.phase,
        "category": code.category,
        "owner": code.owner.value,
    }


def texts_of(code: Code, signal: str, numbers: str) -> dict[str, str]:
    name = "Unknown code" if code.code == "unknown" else f"{code.code} {code.name}"
    query = f"var-system={code.system}&var-code={code.code}"
    seen = "is new" if signal == "new" else signal
    return {
        "summary": f"{name} {seen} on {code.system}",
        "description": numbers,
        "causes": code.causes,
        "fix": code.fix,
        "runbook_url": f"{RUNBOOKS}/codes/{code.system}/{code.code}",
        "dashboard_url": f"{DASHBOARDS}/d/session-end-code?{query}",
    }


def rates(
    system: str,
    codes: list[Code],
    ends_a_minute: float,
    *parts: tuple[float, float],
    usual: float,
    step: int = 60,
) -> Case:
    """So many minutes with such a rate of each code, part after part; the rest of all ends is normal.

    A value each `step` seconds: 30, as the rules are evaluated, wherever a burst of 90 s matters.
    Each code has had an end before: from a count of 0 on, `increase` does not extrapolate, and shares
    would be a little too small.
    """
    part = step / 60
    steps = [rate * part for minutes, rate in parts for _ in range(round(minutes / part))]
    steps[0] = 1.0
    inputs = {ends(code): counted(steps) for code in codes}
    inputs |= {share(code): f"{usual}x{len(steps)}" for code in codes}
    normal = TAXONOMY.systems[system].normal
    rest = [ends_a_minute * part - len(codes) * one for one in steps]
    # A counter that falls is a restart to `increase`, which counts all of it again.
    assert min(rest[1:]) >= 0
    return Case(f"{step}s", inputs | {ends(normal): counted(rest)})


def _fires(case: Case, codes: list[Code], signal: str, before: str, at: str, numbers: str) -> Case:
    case.silent(before, ALERTS[signal])
    for code in codes:
        case.firing(at, ALERTS[signal], labels_of(code, signal), texts_of(code, signal, numbers))
    return case


def _silent(case: Case, signal: str, *at: str) -> Case:
    for time in at:
        case.silent(time, ALERTS[signal])
    return case


def spikes(system: str) -> Run:
    """Among 1,000 ends a minute, one in a thousand of them usual, the thresholds are
    threshold5m = 3 + 3 * 5 + 4 * sqrt(5) + 0.015 * 5000 = 101.9,
    threshold15m = 2 + 3 * 15 + 4 * sqrt(15) + 0.01 * 15000 = 212.5 and
    threshold1h = 1.25 + 3 * 60 + 4 * sqrt(60) + 0.005 * 60000 = 512.2.
    """
    codes = bursting(system)
    # 120 after three minutes, 60 of them not in the worst 90 seconds, where 3.2 + 6 + 2.4 * sqrt(5) = 14.6
    # are asked for; as its slices have it 112, of 52.3 in each at most; 100 were below the limit.
    burst = rates(system, codes, 1000, (20, 0), (5, 40), usual=0.001, step=30)
    numbers = "120 in 5 min (expected 5.0), 2.4% of all session ends, since 00:23 UTC."
    _fires(burst, codes, "spike", "22m30s", "23m", numbers)
    # 100 in 5m; later 211.5 in 15m, which are 70.5 in 5m, where the share asks for 70; 312 in 1h.
    near = rates(
        system, codes, 1000, (10, 0), (5, 20), (15, 0), (15, 14.1), (5, 0), usual=0.001, step=30
    )
    _silent(near, "spike", *(f"{30 * step}s" for step in range(20, 100)))
    return Run((SESSION_ENDS,), (burst, near), only=(WORDS_GROUP, WINDOWS_GROUP), step="30s")


def overruns(system: str) -> Run:
    """More than 15 % of the hour's ends: half of all from an hour on are that after 18 minutes."""
    codes = planned(system)
    burst = rates(system, codes, 20, (60, 0), (26, 10), usual=0.01)
    numbers = (
        "240 in 1 h (expected 12.0), 20% of all session ends, since 01:19 UTC. "
        "Bursts of this code are planned; this burst is larger than a maintenance."
    )
    _fires(burst, codes, "overrun", "83m", "84m", numbers)
    near = rates(system, codes, 20, (60, 0), (70, 2.9), usual=0.01)
    _silent(near, "overrun", *(f"{minute}m" for minute in range(61, 131)))
    return Run((SESSION_ENDS,), (burst, near), only=(WORDS_GROUP, WINDOWS_GROUP))


def crept(system: str) -> list[Code]:
    """A few codes: the rule is the same for all, and eight hours of all codes take promtool a minute."""
    return watched(system)[:4]


def elevations(system: str) -> Run:
    """Of 2,000 an hour 1 % is usual: threshold1d in the first eight hours is 2.5 + 240 + 51 + 32 = 325."""
    codes, minutes = crept(system), 480
    creep = rates(system, codes, 2000 / 60, (60, 20 / 60), (minutes - 60, 80 / 60), usual=0.01)
    # 91.3 at 113m, 1 of them in the first minute: 2.5 + 1.5 * 37.7 + 4 * sqrt(37.7) + 7.5 = 91.1.
    numbers = "480 in 6 h (expected 120.0), 4% of all session ends, since 01:53 UTC."
    _fires(creep, codes, "elevated", "142m", f"{minutes}m", numbers)
    # A page does not see it.
    _silent(creep, "spike", f"{minutes}m")
    near = rates(system, codes, 2000 / 60, (minutes, 40 / 60), usual=0.01)
    _silent(near, "elevated", *(f"{hour}h" for hour in range(1, 9)))
    only = (WORDS_GROUP, WINDOWS_GROUP, LONG_GROUP)
    return Run((SESSION_ENDS,), (creep, near), only=only)


def firsts(system: str) -> Run:
    """First ends on the second day; near are those of the first day, a single one, and one that was
    there four days ago."""
    codes = watched(system)
    first = _hours(system, {30: 3}, 32)
    numbers = "3 in 1 h, none in the 7 days before."
    _fires(first, codes, "new", "1800m", "1815m", numbers)
    cases = [first]
    for known, last in (({20: 3}, 22), ({30: 1}, 32), ({2: 1, 100: 3}, 102)):
        times = (f"{60 * hour + 15 * quarter}m" for hour in known for quarter in range(5))
        cases.append(_silent(_hours(system, known, last), "new", *times))
    only = (WORDS_GROUP, WINDOWS_GROUP, LONG_GROUP, SNAPSHOTS_GROUP)
    return Run((SESSION_ENDS,), tuple(cases), only=only, records=NEW_READS, step="15m")


def _hours(system: str, known: dict[int, int], hours: int) -> Case:
    """Four values an hour, most with normal ends alone; `known` has how many of each code in an hour."""
    steps = [part for hour in range(hours) for part in (known.get(hour, 0), 0, 0, 0)]
    inputs = {ends(code): counted(steps) for code in watched(system)}
    normal = TAXONOMY.systems[system].normal
    return Case("15m", inputs | {ends(normal): counted([10.0] * len(steps))})
