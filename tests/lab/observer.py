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
        outcomes = {code.code: code.outcome for code in system.all_codes}
        columns = [
            column for column, code in enumerate(history.codes) if outcomes[code] is Outcome.SUCCESS
        ]
    counted = np.cumsum(history.ends[bins][:, columns].sum(axis=1))
    expected = np.cumsum(history.expected[bins][:, columns].sum(axis=1))
    # Once a minute: the tail is slow to compute at a million ends per hour.
    every = max(1, round(60 / history.step))
    for row in range(every - 1, len(counted), every):
        if log_tail(int(counted[row]), float(expected[row]), bool(incident.codes)) < SURE:
            return (row + 1) * history.step
    return None


def log_tail(count: int, mean: float, more: bool) -> float:
    """Natural logarithm of P(X ≥ count) or P(X ≤ count), X Poisson; 0 on the mean's other side."""
    if count <= mean if more else count >= mean:
        return 0.0
    if mean == 0:
        return -math.inf
    # Each term is the term before times mean / k, or k / mean.
    total, term, k = 1.0, 1.0, count
    while term > 1e-12 * total:
        if more:
            k += 1
            term *= mean / k
        else:
            term *= k / mean
            k -= 1
        total += term
    return count * math.log(mean) - mean - math.lgamma(count + 1) + math.log(total)
