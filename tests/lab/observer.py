"""The ideal observer, which knows the onset of an incident and the expected counts without it.

It is the bound on detection: it detects an incident when the count since the onset has a probability
below one in a million under a Poisson distribution of the expected count.
"""

import math
from typing import Final

import numpy as np

from exporter.simulate.history import History, Incident
from exporter.taxonomy.model import Outcome, System

SURE: Final = math.log(1e-6)


def seen_after(history: History, incident: Incident, system: System) -> float | None:
    """Seconds from the onset until the observer detects the incident; None if it never does."""
    bins = history.bins(incident.start, incident.end)
    if incident.codes:
        columns = [history.codes.index(code) for code in incident.codes]
    else:
        outcomes = {code.code: code.outcome for code in (*system.codes, system.unknown)}
        columns = [
            column for column, code in enumerate(history.codes) if outcomes[code] is Outcome.SUCCESS
        ]
    counted = np.cumsum(history.ends[bins][:, columns].sum(axis=1))
    expected = np.cumsum(history.expected[bins][:, columns].sum(axis=1))
    tail = log_at_least if incident.codes else log_at_most
    # Once a minute: the tail is slow to compute at a million ends per hour.
    every = max(1, round(60 / history.step))
    for row in range(every - 1, len(counted), every):
        if tail(int(counted[row]), float(expected[row])) < SURE:
            return (row + 1) * history.step
    return None


def log_at_least(count: int, mean: float) -> float:
    """Natural logarithm of P(X ≥ count), X Poisson of `mean`; 0 at or below the mean."""
    if count <= mean or count == 0:
        return 0.0
    if mean == 0:
        return -math.inf
    # The terms fall by mean / k from the first on.
    total, term, k = 1.0, 1.0, count + 1
    while term > 1e-12 * total:
        term *= mean / k
        total += term
        k += 1
    return _log_probability(count, mean) + math.log(total)


def log_at_most(count: int, mean: float) -> float:
    """Natural logarithm of P(X ≤ count), X Poisson of `mean`; 0 at or above the mean."""
    if count >= mean:
        return 0.0
    total, term, k = 1.0, 1.0, count
    while k > 0 and term > 1e-12 * total:
        term *= k / mean
        total += term
        k -= 1
    return _log_probability(count, mean) + math.log(total)


def _log_probability(count: int, mean: float) -> float:
    return count * math.log(mean) - mean - math.lgamma(count + 1)
