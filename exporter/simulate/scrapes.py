"""What a Prometheus sees: scrapes that fail, and an exporter that restarts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.simulate.traffic import DAY, Traffic

LONGEST_RESTART: Final = 3
"""Scrapes missed: the ledger of a busy exporter is open again within seconds, its node after a minute."""


def scrape(
    ends: NDArray[np.int64], step: float, traffic: Traffic, random: np.random.Generator
) -> NDArray[np.bool_]:
    """(bins,): whether the scrape at the end of each bin happened.

    While the exporter restarts nothing is counted: the ends of these bins are moved, in `ends`, into the
    bin after them, where the senders' retries arrive. None is lost, except that a restart does not
    begin so late that no bin follows it.
    """
    bins = len(ends)
    scraped = random.random(bins) >= traffic.p_missed_scrape
    restarts = random.poisson(traffic.restarts_per_day * bins * step / DAY)
    for _ in range(restarts):
        missed = int(random.integers(1, LONGEST_RESTART, endpoint=True))
        if bins <= missed:
            continue
        first = int(random.integers(0, bins - missed))
        ends[first + missed] += ends[first : first + missed].sum(axis=0)
        ends[first : first + missed] = 0
        scraped[first : first + missed] = False
    return scraped
