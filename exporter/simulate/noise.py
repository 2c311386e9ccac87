"""Means become counts: gamma from minute to minute, Poisson inside it, and bursts of retries."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.simulate.traffic import Floats, Traffic

MINUTE: Final = 60.0
RETRY_STAYS: Final = 0.5
"""The chance that the next retry of a burst falls into the same bin; half of a user's tries come within
15 s, all but 6 % within a minute. With another step it is the same chance of another bin."""


def counts(
    means: Floats,
    step: float,
    traffic: Traffic,
    failures: Sequence[int],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """(bins, codes): counts around `means`, whose expectation they keep.

    `failures` are the columns whose ends are tried again in bursts: who succeeded does not retry.
    Overwrites `means`.
    """
    _roughen(means, step, traffic, random)
    chance = min(traffic.burst_chance, 1.0)
    size = traffic.burst_size * traffic.burst_scale
    bursting = chance > 0 and size > 0
    ends = np.zeros(means.shape, dtype=np.int64)
    for column in np.flatnonzero(means.any(axis=0)):
        if bursting and column in failures:
            # Fewer ends begin a burst than there are, so that the bursts' own ends fit into the mean.
            ends[:, column] = random.poisson(means[:, column] / (1.0 + chance * size))
            _retry(ends[:, column], chance, size, random)
        else:
            ends[:, column] = random.poisson(means[:, column])
    return ends


def _roughen(means: Floats, step: float, traffic: Traffic, random: np.random.Generator) -> None:
    """Multiplies each minute by gamma factors of mean 1: one for all codes, and one for each."""
    minute = np.arange(len(means)) * step // MINUTE
    index = (minute - minute[0]).astype(np.intp)
    together = _gamma(traffic.level_noise * traffic.burst_scale, int(index[-1]) + 1, random)
    means *= together[index][:, np.newaxis]
    for column in np.flatnonzero(means.any(axis=0)):
        alone = _gamma(traffic.code_noise * traffic.burst_scale, int(index[-1]) + 1, random)
        means[:, column] *= alone[index]


def _gamma(variation: float, size: int, random: np.random.Generator) -> Floats:
    """Factors of mean 1 with this coefficient of variation."""
    if not variation:
        return np.ones(size)
    shape = 1.0 / variation**2
    return random.gamma(shape, 1.0 / shape, size)


def _retry(
    ends: NDArray[np.int64], chance: float, size: float, random: np.random.Generator
) -> None:
    """Adds to one code's ends what the users of some of them try further, on average `size` each."""
    began = np.flatnonzero(ends)
    bursts = random.binomial(ends[began], chance)
    began, bursts = began[bursts > 0], bursts[bursts > 0]
    # A sum of geometric numbers of tries is negative binomial.
    extra = random.negative_binomial(bursts, 1.0 / (1.0 + size))
    while began.size:
        here = random.binomial(extra, RETRY_STAYS)
        np.add.at(ends, began, here)
        extra = extra - here
        # A burst at the very end goes on beyond it.
        going = (extra > 0) & (began + 1 < len(ends))
        began, extra = began[going] + 1, extra[going]
