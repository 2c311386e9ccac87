"""Traffic without incidents: how many sessions end, when, and with which codes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.simulate.history import DAY, HOUR, Floats
from exporter.simulate.profiles import Profile

_EPOCH_WEEKDAY: Final = 3
"""1 January 1970 was a Thursday; Monday is 0."""
DRIFT: Final = 0.05
"""Standard deviation, after one day, of the random walk of the logarithm of a code's share."""
_DAILY_RATIO: Final = 4.0
"""The largest load of a day as a multiple of the smallest."""
_MAX_DRIFT: Final = math.log(3)
"""Three times as many or a third: a share that drifts farther is an incident."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic of an installation.

    `ends_per_hour` is the mean over a week. `failing` is the share of failures among all ends, None that of
    the system's profile. `burst_scale` multiplies the noise of `exporter.simulate.noise` and keeps the means.
    `p_missed_scrape` is the probability that a scrape fails; `restarts_per_day` counts exporter restarts.
    """

    ends_per_hour: float = 1000.0
    failing: float | None = None
    burst_scale: float = 1.0
    p_missed_scrape: float = 0.001
    restarts_per_day: float = 0.5


def load(times: Floats, profile: Profile) -> Floats:
    """The load at `times` (Unix seconds, UTC), relative to the mean of a week."""
    week = np.arange(0, 7 * DAY, 600.0) + 300.0
    mean = _unscaled(week, profile).mean()
    return np.asarray(_unscaled(times, profile) / mean, dtype=np.float64)


def _unscaled(times: Floats, profile: Profile) -> Floats:
    days = np.arange(7)
    factors = np.where(days < 5, 1.0, profile.weekend)
    amplitude = math.log(_DAILY_RATIO) / 2
    hours = times / HOUR - profile.peak_hour
    daily = np.exp(amplitude * np.cos(2 * np.pi * hours / 24))
    # Interpolated between noons: a step at midnight would look like an incident.
    weekly = np.interp(times / DAY + _EPOCH_WEEKDAY, days + 0.5, factors, period=7)
    return np.asarray(daily * weekly, dtype=np.float64)


def means(
    times: Floats,
    step: float,
    ends_per_hour: float,
    profile: Profile,
    shares: Floats,
    successes: Sequence[int],
    random: np.random.Generator,
) -> Floats:
    """(times, codes): the mean count of each bin of `step` seconds at `times`; `shares`, (codes,), drift."""
    total = ends_per_hour * step / HOUR * load(times, profile)
    drifted = shares * np.exp(_random_walks(times, len(shares), random))
    drifted[:, successes] = 0.0
    # The columns of successes receive the remainder when the other shares drift.
    remainder = np.maximum(1.0 - drifted.sum(axis=1), 0.0)
    success = shares[successes]
    drifted[:, successes] = remainder[:, np.newaxis] * (success / success.sum())
    return np.asarray(drifted * total[:, np.newaxis], dtype=np.float64)


def _random_walks(times: Floats, codes: int, random: np.random.Generator) -> Floats:
    """(times, codes): random walks with one step per hour, linear in between."""
    hours = (times - times[0]) / HOUR
    steps = random.normal(0.0, DRIFT / math.sqrt(24), (int(hours[-1]) + 2, codes))
    walks = np.clip(np.cumsum(steps, axis=0) - steps[0], -_MAX_DRIFT, _MAX_DRIFT)
    knots = np.arange(len(walks), dtype=np.float64)
    return np.stack([np.interp(hours, knots, walk) for walk in walks.T], axis=1)
