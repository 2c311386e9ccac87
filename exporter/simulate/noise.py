"""Chance: turns means into counts with bursts of retries, and lets scrapes fail."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.simulate.history import DAY, Counts, Floats
from exporter.simulate.traffic import Traffic

MINUTE: Final = 60.0
_SAME_BIN: Final = 0.5
"""Probability that the next retry falls into the same bin, else into the next: of the retries, half come
within 15 s and all but 6 % within a minute."""
LONGEST_RESTART: Final = 3
"""Missed scrapes: a process restarts within seconds, its node within a minute."""


def counts(
    means: Floats,
    step: float,
    traffic: Traffic,
    failures: Sequence[int],
    random: np.random.Generator,
) -> Counts:
    """(bins, codes): random counts whose expectation is `means`. Overwrites `means`.

    `failures` are the columns with bursts of retries: only users whose session failed retry.
    """
    _scale_minutes(means, step, traffic, random)
    chance = traffic.burst_chance
    size = traffic.burst_size * traffic.burst_scale
    ends = np.zeros(means.shape, dtype=np.int64)
    for column in np.flatnonzero(means.any(axis=0)):
        if chance > 0 and size > 0 and column in failures:
            # Reduced, so that first attempts and retries together keep the mean.
            ends[:, column] = random.poisson(means[:, column] / (1.0 + chance * size))
            _add_retries(ends[:, column], chance, size, random)
        else:
            ends[:, column] = random.poisson(means[:, column])
    return ends


def _scale_minutes(
    means: Floats, step: float, traffic: Traffic, random: np.random.Generator
) -> None:
    """Multiplies each minute by gamma factors of mean 1: one for all codes, and one per code."""
    minute = np.arange(len(means)) * step // MINUTE
    index = (minute - minute[0]).astype(np.intp)
    minutes = int(index[-1]) + 1
    level = _gamma(traffic.level_noise * traffic.burst_scale, minutes, random)
    means *= level[index][:, np.newaxis]
    for column in np.flatnonzero(means.any(axis=0)):
        factors = _gamma(traffic.code_noise * traffic.burst_scale, minutes, random)
        means[:, column] *= factors[index]


def _gamma(variation: float, size: int, random: np.random.Generator) -> Floats:
    """Factors of mean 1 with this coefficient of variation."""
    if not variation:
        return np.ones(size)
    shape = 1.0 / variation**2
    return random.gamma(shape, 1.0 / shape, size)


def _add_retries(ends: Counts, chance: float, size: float, random: np.random.Generator) -> None:
    """Adds bursts to the counts of one code: `chance` per session end, on average `size` retries each."""
    bins = np.flatnonzero(ends)
    bursts = random.binomial(ends[bins], chance)
    bins, bursts = bins[bursts > 0], bursts[bursts > 0]
    # A sum of geometric numbers of retries is negative binomial.
    retries = random.negative_binomial(bursts, 1.0 / (1.0 + size))
    while bins.size:
        same_bin = random.binomial(retries, _SAME_BIN)
        np.add.at(ends, bins, same_bin)
        retries = retries - same_bin
        # A burst in the last bin continues after the history.
        left = (retries > 0) & (bins + 1 < len(ends))
        bins, retries = bins[left] + 1, retries[left]


def scrape(
    ends: Counts, step: float, traffic: Traffic, random: np.random.Generator
) -> NDArray[np.bool_]:
    """(bins,): whether the scrape at the end of each bin succeeds.

    A restart moves the counts of its bins, in `ends`, to the next bin, because senders retry. It never
    covers the last bin, so no count is lost.
    """
    bins = len(ends)
    scraped = random.random(bins) >= traffic.p_missed_scrape
    for _ in range(random.poisson(traffic.restarts_per_day * bins * step / DAY)):
        missed = int(random.integers(1, LONGEST_RESTART, endpoint=True))
        if bins <= missed:
            continue
        first = int(random.integers(0, bins - missed))
        ends[first + missed] += ends[first : first + missed].sum(axis=0)
        ends[first : first + missed] = 0
        scraped[first : first + missed] = False
    return scraped
