"""Cases: standard months, and traffic and incidents that break alert rules on real installations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from exporter.simulate.history import DAY, HOUR, Floats, History
from exporter.simulate.incidents import KINDS, Kind, Window
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, IncidentPlan, simulate
from exporter.simulate.traffic import Traffic

STANDARD_CASE: Final = "standard"
BURSTIER: Final = "standard, noise half as bursty again"
BUDGET_KEPT: Final = "standard, half of the budget spent"
KEPT: Final = 0.0025
"""A share of failures that uses half of the error budget of the shipped objective."""
STANDARD_VOLUMES: Final = (10, 100, 1_000, 10_000, 1_000_000)
STANDARD_DAYS: Final = 28
# Day and hour. Incidents that expect an alert are at least 8 h apart, at all hours, on working days and
# weekends, three of them in the first three days.
_STANDARD: Final[Mapping[str, Sequence[tuple[int, float]]]] = {
    "capacity-large": ((0, 9), (6, 3.5), (23, 6.5)),
    "crash-loop": ((1, 2.5), (12, 18)),
    "stop": ((1, 20), (11, 23.5), (13, 12)),
    "capacity-small": ((3, 14), (24, 19)),
    "one-region": ((4, 5), (19, 13)),
    "successes-vanish": ((5, 16), (21, 10.5)),
    "flapping": ((7, 10), (20, 21)),
    "tls-inspection": ((8, 8),),
    "capacity-medium": ((9, 11), (18, 4)),
    "new-code": ((10, 15),),
    "slow-creep": ((14, 8),),
    "maintenance-overrun": ((22, 3),),
    "maintenance": tuple((day, 3) for day in range(STANDARD_DAYS)),
    "duplicate-burst": ((0, 22), (2, 11), (8, 1), (16, 20), (20, 4), (27, 15)),
    "quiet-evening": ((2, 18),),
    "recovery": ((13, 14),),
    "holiday": ((25, 0),),
    "launch-day": ((26, 8),),
    "clock-change": ((27, 1),),
}
STANDARD: Final[IncidentPlan] = tuple(
    (name, day * DAY + hour * HOUR) for name, onsets in _STANDARD.items() for day, hour in onsets
)
"""28 days from a Monday, with 20 expected alerts on streampixel and 22 on softdrive."""
SYSTEM: Final = "streampixel"
OFFICE: Final = (
    *((0, 0.02), (7, 0.02), (9, 1.0), (11.75, 1.0), (12.25, 0.3), (13, 0.3)),
    *((13.5, 1.0), (19, 1.0), (19.5, 0.05), (24, 0.02)),
)
"""Load by hour, linear in between: less at noon, and a fall of 95 % within half an hour at the end of the
day."""
_SIZES: Final = ("a tenth", "a third")
REGIONS: Final = (0.03, 0.05, 0.10, 0.20)


def _kind(
    code: str,
    seconds: float,
    effect: Callable[[Window], None],
    expects: str = "page",
    permanent: bool = False,
) -> Kind:
    signals = ("spike",) if expects == "page" else ()
    return Kind({SYSTEM: tuple(code.split())}, seconds, effect, expects, signals, permanent)


def _habit(window: Window) -> None:
    """Cancellations: few at night, most in the morning, on each day."""
    hours = window.times / HOUR % 24
    window.set_share(np.select([hours < 6, hours < 9], [0.003, 0.06], 0.025))


def office(times: Floats) -> Floats:
    """The load at Unix seconds; a weekend day has 2 % of a working day's."""
    weekend = (times - MONDAY) // DAY % 7 >= 5
    return np.where(weekend, 0.02, 1.0) * np.interp(times / HOUR % 24, *np.transpose(OFFICE))


def _office_hours(window: Window) -> None:
    week = MONDAY + np.arange(0, 7 * DAY, 600.0) + 300.0
    window.scale(office(window.times) / office(week).mean() / window.load(window.times))


def _swing(window: Window) -> None:
    """Multiplies each five minutes by a log-normal factor of mean 1, coefficient of variation 0.9."""
    period = (window.seconds // 300).astype(np.intp)
    spread = np.sqrt(np.log1p(0.9**2))
    factors = window.random.lognormal(-(spread**2) / 2, spread, int(period[-1]) + 1)
    window.scale(factors[period])


LAB_KINDS: Final = {
    **KINDS,
    "a tenth": _kind("4003", HOUR, lambda w: w.set_share(0.10)),
    "a third": _kind("4003", HOUR, lambda w: w.set_share(0.33)),
    "bad day": _kind("4006", 14 * HOUR, lambda w: w.set_share(0.10)),
    "70 %": _kind("4006", 2 * HOUR, lambda w: w.set_share(0.70)),
    "90 %": _kind("4006", 2 * HOUR, lambda w: w.set_share(0.90)),
    "step": _kind("4006", 8 * DAY, lambda w: w.set_share(0.06), permanent=True),
    "habit": _kind("4001", DAY, _habit, "nothing", permanent=True),
    # From the shipped share of 0.6 % to 30 %.
    "usual 30 %": _kind("4006", 0, lambda w: w.multiply_share(np.array(50.0)), "nothing", True),
    "office hours": _kind("", 0, _office_hours, "nothing", permanent=True),
    "bursty counts": _kind("", 0, _swing, "nothing", permanent=True),
    "1 in 14": _kind("4006", 6 * HOUR, lambda w: w.set_share(1 / 14)),
    **{
        f"region {part:.0%}": _kind("4005", 2 * HOUR, lambda w, part=part: w.set_share(part))
        for part in REGIONS
    },
}


@dataclass(frozen=True, slots=True)
class Case:
    """`histories` yields the histories of a volume (ends per hour) and a seed."""

    histories: Callable[[float, int], Iterator[History]]
    volumes: Sequence[float]


def _standard(volume: float, seed: int, **traffic: Any) -> Iterator[History]:
    """The standard month of both systems."""
    for system in SYSTEMS:
        yield simulate(system, Traffic(volume, **traffic), STANDARD_DAYS, STANDARD, seed)


def _from(hour: float, days: float, plan: IncidentPlan, volume: float, seed: int) -> History:
    """`plan` has onsets in hours after the start, which is at `hour` of a Monday."""
    onsets = [(name, onset * HOUR) for name, onset in plan]
    start = MONDAY + hour * HOUR
    history = simulate(SYSTEM, Traffic(volume), days, onsets, seed, start, kinds=LAB_KINDS)
    # Ordinary traffic excuses no false alert.
    incidents = tuple(each for each in history.incidents if LAB_KINDS[each.name].seconds)
    return replace(history, incidents=incidents)


def _case(days: float, plan: IncidentPlan = (), volumes: Sequence[float] = (100, 1_000)) -> Case:
    """One history per seed."""

    def histories(volume: float, seed: int) -> Iterator[History]:
        yield _from(0, days, plan, volume, seed)

    return Case(histories, volumes)


def _first_minutes(volume: float, seed: int) -> Iterator[History]:
    """An outage of each size 2, 4, 8 or 14 minutes after the first scrape, at eight hours of the day."""
    for hour in range(0, 24, 3):
        onset = (2, 4, 8, 14)[hour // 3 % 4] / 60
        for number, name in enumerate(_SIZES):
            yield _from(hour, 0.1, [(name, onset)], volume, 100 * seed + hour + number)


def _day_one(volume: float, seed: int) -> Iterator[History]:
    """Histories that begin with the installation, at four hours of the day."""
    for hour in range(0, 24, 6):
        yield _from(hour, 3, [("habit", 0)], volume, 100 * seed + hour)


def _on(name: str, *days: int) -> list[tuple[str, float]]:
    """Onsets of an incident on each of the given days, at different hours."""
    return [(name, 24 * day + (9 + 7 * number) % 24) for number, day in enumerate(days)]


_STOPS: Final = [
    ("stop", 24 * day + hour) for day, hour in ((7, 10), (8, 10), (10, 15), (14, 10), (24, 10))
]
"""Stops in office hours, some of them a day or a week after another stop at the same time of day."""
CASES: Final = {
    STANDARD_CASE: Case(_standard, STANDARD_VOLUMES),
    BURSTIER: Case(partial(_standard, burst_scale=1.5), STANDARD_VOLUMES),
    BUDGET_KEPT: Case(partial(_standard, failing=KEPT), STANDARD_VOLUMES),
    "office hours": _case(30, [("office hours", 0), *_STOPS], (30, 100, 1_000)),
    "bursty counts": _case(30, [("bursty counts", 0), *_STOPS]),
    "slow retries": _case(21, _on("slow-retries", *range(1, 20)), (10, 100, 1_000)),
    "bad days": _case(16, [("bad day", 24 * day + 8) for day in (7, 9, 10, 12)]),
    "usual 30 %": _case(18, [("usual 30 %", 0), *_on("70 %", 4, 8, 12), *_on("90 %", 6, 10, 14)]),
    "step": _case(16, [("step", 8 * 24 + 10)]),
    "day one": Case(_day_one, (100, 1_000)),
    "first minutes": Case(_first_minutes, (100, 1_000, 10_000)),
    "later": _case(26, [(_SIZES[i % 2], 24 * 5 + 51 * i) for i in range(10)], (100, 1_000, 10_000)),
    "crash loop": _case(12, _on("1 in 14", 4, 6, 8, 10), (100, 1_000, 10_000)),
    **{
        f"region {part:.0%}": _case(14, _on(f"region {part:.0%}", 4, 6, 8, 10, 12))
        for part in REGIONS
    },
}
"""`later` has the outages of `first minutes` after five days."""
