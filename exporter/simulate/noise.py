"""Turns means into random counts with bursts of retries, and lets scrapes fail.

The noise is assumed. Over 28 days, the variance of a failure code's counts per minute is 1.4 to 1.8 times
their mean up to 10,000 ends per hour (Poisson: 1), and 3 to 15 times at a million.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.simulate.history import DAY, Counts, Floats
from exporter.simulate.traffic import Traffic

_MINUTE: Final = 60.0
LEVEL_NOISE: Final = 0.05
CODE_NOISE: Final = 0.2
"""Coefficients of variation between minutes, of all ends together and of each code."""
BURST_CHANCE: Final = 0.04
BURST_SIZE: Final = 3.0
"""Share of failed ends that start a burst, and the average number of retries in it."""
_SAME_BIN: Final = 0.5
"""Probability that the next retry is in the same bin of 15 s, else in the next bin."""
LONGEST_RESTART: Final = 3
"""Missed scrapes: a process restarts within seconds, its node within a minute."""


def counts(
    means: Floats,
    step: float,
    traffic: Traffic,
    failures: Sequence[int],
    random: np.random.Generator,
) -> tuple[Counts, Counts]:
    """(bins, codes): random counts with the means `means`, which is overwritten, and the retries in them."""
    _scale_minutes(means, step, traffic.burst_scale, random)
    size = BURST_SIZE * traffic.burst_scale
    ends = np.zeros(means.shape, dtype=np.int64)
    repeats = np.zeros_like(ends)
    for column in np.flatnonzero(means.any(axis=0)):
        # Only users whose session failed retry.
        if size > 0 and column in failures:
            # Reduced, so that first attempts and retries together keep the mean.
            ends[:, column] = random.poisson(means[:, column] / (1.0 + BURST_CHANCE * size))
            repeats[:, column] = _retries(ends[:, column], size, random)
        else:
            ends[:, column] = random.poisson(means[:, column])
    return ends + repeats, repeats


def _scale_minutes(means: Floats, step: float, scale: float, random: np.random.Generator) -> None:
    """Multiplies each minute by gamma factors of mean 1: one for all codes, and one per code."""
    index = (np.arange(len(means)) * step // _MINUTE).astype(np.intp)
    minutes = int(index[-1]) + 1
    level = _gamma(LEVEL_NOISE * scale, minutes, random)
    means *= level[index][:, np.newaxis]
    for column in np.flatnonzero(means.any(axis=0)):
        factors = _gamma(CODE_NOISE * scale, minutes, random)
        means[:, column] *= factors[index]


def _gamma(variation: float, size: int, random: np.random.Generator) -> Floats:
    """Factors of mean 1 with this coefficient of variation."""
    if not variation:
        return np.ones(size)
    shape = 1.0 / variation**2
    return random.gamma(shape, 1.0 / shape, size)


def _retries(ends: Counts, size: float, random: np.random.Generator) -> Counts:
    """(bins,): bursts with on average `size` retries, which follow on the counts of one code."""
    result = np.zeros_like(ends)
    bins = np.flatnonzero(ends)
    bursts = random.binomial(ends[bins], BURST_CHANCE)
    bins, bursts = bins[bursts > 0], bursts[bursts > 0]
    # A sum of geometric numbers of retries is negative binomial.
    retries = random.negative_binomial(bursts, 1.0 / (1.0 + size))
    while bins.size:
        same_bin = random.binomial(retries, _SAME_BIN)
        np.add.at(result, bins, same_bin)
        retries = retries - same_bin
        # A burst in the last bin continues after the history.
        left = (retries > 0) & (bins + 1 < len(ends))
        bins, retries = bins[left] + 1, retries[left]
    return result


def scrape(
    counted: Sequence[Counts], step: float, traffic: Traffic, random: np.random.Generator
) -> NDArray[np.bool_]:
    """(bins,): whether the scrape at the end of each bin succeeds.

    A restart moves the counts of its bins, in `counted`, to the next bin, because senders retry. It never
    covers the last bin, so no count is lost.
    """
    bins = len(counted[0])
    scraped = random.random(bins) >= traffic.p_missed_scrape
    for _ in range(random.poisson(traffic.restarts_per_day * bins * step / DAY)):
        missed = int(random.integers(1, LONGEST_RESTART, endpoint=True))
        if bins <= missed:
            continue
        first = int(random.integers(0, bins - missed))
        for ends in counted:
            ends[first + missed] += ends[first : first + missed].sum(axis=0)
            ends[first : first + missed] = 0
        scraped[first : first + missed] = False
    return scraped
