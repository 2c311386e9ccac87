"""`simulate`: traffic, incidents and scrapes, put together into a history."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from exporter.errors import ConfigError
from exporter.simulate.history import STEP, History, Incident
from exporter.simulate.incidents import KINDS, MAINTENANCE, Kind
from exporter.simulate.noise import counts
from exporter.simulate.profiles import fitted, taxonomy
from exporter.simulate.scrapes import scrape
from exporter.simulate.traffic import DAY, HOUR, Traffic
from exporter.simulate.window import Window
from exporter.taxonomy.model import Outcome

MONDAY: Final = 1767571200.0
"""2026-01-05T00:00:00Z, on which the standard plan's hours are hours of the day."""
STANDARD_DAYS: Final = 28

Plan = Sequence[tuple[str, float]]
"""Names of incidents and when they begin, in seconds after the history's start."""


def _at(name: str, day: int, hour: float) -> tuple[str, float]:
    return name, day * DAY + hour * HOUR


STANDARD: Final[Plan] = (
    # Pages and tickets: at least 8 h from the end of one to the start of the next, at all hours, on
    # working days and weekends (days 5, 6, 12, 13, 19, 20, 26, 27), three of them in the first three days.
    _at("capacity-large", 0, 9),
    _at("crash-loop", 1, 2.5),
    _at("stop", 1, 20),
    _at("capacity-small", 3, 14),
    _at("one-region", 4, 5),
    _at("successes-vanish", 5, 16),
    _at("capacity-large", 6, 3.5),
    _at("flapping", 7, 10),
    _at("tls-inspection", 8, 8),
    _at("capacity-medium", 9, 11),
    _at("new-code", 10, 15),
    _at("stop", 11, 23.5),
    _at("crash-loop", 12, 18),
    _at("stop", 13, 12),
    _at("slow-creep", 14, 8),
    _at("capacity-medium", 18, 4),
    _at("one-region", 19, 13),
    _at("flapping", 20, 21),
    _at("successes-vanish", 21, 10.5),
    _at("maintenance-overrun", 22, 3),
    _at("capacity-large", 23, 6.5),
    _at("capacity-small", 24, 19),
    # Nuisances.
    *(_at(MAINTENANCE, day, 3) for day in range(STANDARD_DAYS)),
    _at("duplicate-burst", 0, 22),
    _at("duplicate-burst", 2, 11),
    _at("quiet-evening", 2, 18),
    _at("duplicate-burst", 8, 1),
    _at("recovery", 13, 14),
    _at("duplicate-burst", 16, 20),
    _at("duplicate-burst", 20, 4),
    _at("holiday", 25, 0),
    _at("launch-day", 26, 8),
    _at("clock-change", 27, 1),
    _at("duplicate-burst", 27, 15),
)
"""28 days that begin on a Monday: 20 labelled pages and tickets on streampixel, 22 on softdrive (which alone
has tls-inspection and maintenance-overrun)."""


def simulate(
    system: str,
    traffic: Traffic | None = None,
    days: float = STANDARD_DAYS,
    incidents: Plan | str = (),
    seed: int = 1,
    start: float = MONDAY,
    step: float = STEP,
) -> History:
    """A history of `days` from `start` (Unix seconds), the same for the same arguments.

    `incidents` is a plan or "standard" for `STANDARD`, of which the incidents that this system does not
    have, or that do not end in time, are left out. Incidents begin and end with a bin; where several
    overlap, nuisances come first and the others in the plan's order.

    Raises `ConfigError` for a system without a profile and for what is wrong in `traffic`, in a plan or
    in the numbers.
    """
    bins = round(days * DAY / step) if days > 0 and step > 0 else 0
    if not 1 <= bins <= _MOST_BINS:
        raise ConfigError(f"{days:g} days of {step:g} s: from 1 to {_MOST_BINS:,} bins")
    fit = fitted(traffic or Traffic(), system)
    codes = (*taxonomy(system).codes, taxonomy(system).unknown)
    names = tuple(code.code for code in codes)
    if strangers := sorted(set(fit.shares or {}) - set(names)):
        raise ConfigError(f"shares of {', '.join(strangers)}: no codes of {system}")
    successes = [at for at, code in enumerate(codes) if code.outcome is Outcome.SUCCESS]
    failures = [at for at, code in enumerate(codes) if code.outcome is Outcome.FAILURE]

    random = np.random.Generator(np.random.PCG64([seed, *system.encode()]))
    middles = (np.arange(bins, dtype=np.float64) + 0.5) * step
    times = start + middles
    means = fit.means(times, step, names, successes, random)
    exact = np.zeros(means.shape, dtype=np.int64)

    def happen(kind: Kind, onset: float) -> Incident:
        rises = kind.codes[system]
        first = min(round(onset / step), bins - 1)
        last = max(round((onset + kind.seconds) / step), first + 1)
        changed = slice(first, bins if kind.lasts else min(last, bins))
        kind.change(
            Window(
                times=times[changed],
                seconds=middles[: changed.stop - first],
                step=step,
                length=(last - first) * step,
                rates=means[changed],
                exact=exact[changed],
                codes=[names.index(code) for code in rises],
                successes=successes,
                traffic=fit,
                random=random,
            )
        )
        began, ended = start + first * step, start + min(last, bins) * step
        return Incident(
            kind.name, system, rises, began, ended, kind.expects, kind.signals, kind.flapping
        )

    chosen = list(_chosen(system, incidents, bins * step))
    labels = [happen(*one) for one in chosen if one[0].expects == "nothing"]
    expected = means + exact
    labels += [happen(*one) for one in chosen if one[0].expects != "nothing"]

    ends = counts(means, step, fit, failures, random) + exact
    scraped = scrape(ends, step, fit, random)
    told = tuple(sorted(labels, key=lambda one: (one.start, one.name)))
    return History(system, start, step, names, ends, expected, scraped, told)


def _chosen(system: str, incidents: Plan | str, seconds: float) -> Iterable[tuple[Kind, float]]:
    """The plan's kinds and onsets; raises `ConfigError` for what can't happen."""
    if isinstance(incidents, str):
        if incidents != "standard":
            raise ConfigError(f"incidents = {incidents!r}: a plan, or 'standard'")
        for name, onset in STANDARD:
            kind = KINDS[name]
            needs = STEP if kind.lasts else kind.seconds
            if system in kind.codes and onset + needs <= seconds:
                yield kind, onset
        return
    for name, onset in incidents:
        if name not in KINDS:
            raise ConfigError(f"incident {name!r}: one of {', '.join(KINDS)}")
        if system not in KINDS[name].codes:
            raise ConfigError(f"incident {name!r}: {system} does not have it")
        if not (math.isfinite(onset) and 0 <= onset < seconds):
            raise ConfigError(
                f"incident {name!r} at {onset:g} s: within the {seconds:g} s of the simulation"
            )
        yield KINDS[name], onset


_MOST_BINS: Final = 5_000_000
"""One of the arrays is then 1 GB with 25 codes; 28 days of 15 s are 161,280 bins."""
