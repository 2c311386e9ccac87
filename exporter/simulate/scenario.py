"""Simulates a history from traffic, incidents, noise and scrapes."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from exporter.simulate.history import DAY, STEP, History, Incident
from exporter.simulate.incidents import KINDS, Kind, Window
from exporter.simulate.noise import counts, scrape
from exporter.simulate.profiles import PROFILES, codes, with_failures
from exporter.simulate.traffic import Traffic, load, means
from exporter.taxonomy.model import Outcome

MONDAY: Final = 1767571200.0
"""2026-01-05T00:00:00Z."""
IncidentPlan = Sequence[tuple[str, float]]
"""Names of incidents, and seconds from the start of the history to each onset."""


def simulate(
    system: str,
    traffic: Traffic,
    days: float,
    incidents: IncidentPlan = (),
    seed: int = 1,
    start: float = MONDAY,
    step: float = STEP,
    kinds: Mapping[str, Kind] = KINDS,
) -> History:
    """A history of `days` from `start` (Unix seconds), the same for the same arguments.

    Incidents are of `kinds`; those that the system does not have are ignored. Incidents begin and end with a
    bin; where several overlap, nuisances apply first, others in the order of the plan. Raises `ConfigError`
    for `traffic.failing`.
    """
    bins = round(days * DAY / step)
    profile = PROFILES[system]
    by_code = with_failures(system, traffic.failing)
    names = tuple(code.code for code in codes(system))
    outcomes = [code.outcome for code in codes(system)]
    successes = [i for i, outcome in enumerate(outcomes) if outcome is Outcome.SUCCESS]
    failures = [i for i, outcome in enumerate(outcomes) if outcome is Outcome.FAILURE]
    random = np.random.Generator(np.random.PCG64([seed, *system.encode()]))
    seconds = (np.arange(bins, dtype=np.float64) + 0.5) * step
    times = start + seconds
    shares = np.array([by_code[name] for name in names])
    rates = means(times, step, traffic.ends_per_hour, profile, shares, successes, random)
    exact = np.zeros(rates.shape, dtype=np.int64)
    repeats = np.zeros_like(exact)

    def apply(name: str, onset: float) -> Incident:
        kind = kinds[name]
        first = min(round(onset / step), bins - 1)
        end = max(round((onset + kind.seconds) / step), first + 1)
        changed = slice(first, None if kind.permanent else end)
        kind.effect(
            Window(
                times=times[changed],
                seconds=seconds[: len(times[changed])],
                step=step,
                length=(end - first) * step,
                rates=rates[changed],
                exact=exact[changed],
                repeats=repeats[changed],
                codes=[names.index(code) for code in kind.codes[system]],
                successes=successes,
                load=lambda at: load(at, profile),
                random=random,
            )
        )
        began, ended = start + first * step, start + min(end, bins) * step
        return Incident(name, system, kind.codes[system], began, ended, kind.expects, kind.signals)

    planned = [(name, onset) for name, onset in incidents if system in kinds[name].codes]
    nuisances = [item for item in planned if kinds[item[0]].expects == "nothing"]
    labels = [apply(name, onset) for name, onset in nuisances]
    expected = rates + exact
    labels += [apply(name, onset) for name, onset in planned if (name, onset) not in nuisances]
    ends, retries = counts(rates, step, traffic, failures, random)
    ends += exact
    repeats += retries
    scraped = scrape((ends, repeats), step, traffic, random)
    labels.sort(key=lambda incident: (incident.start, incident.name))
    return History(system, start, step, names, ends, expected, scraped, repeats, tuple(labels))
