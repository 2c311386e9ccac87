"""How many sessions end, when, and with which codes: the means of an ordinary month."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from exporter.errors import ConfigError

HOUR: Final = 3600.0
DAY: Final = 86400.0
_EPOCH_WEEKDAY: Final = 3
"""1 January 1970 was a Thursday, counted from Monday."""
_FARTHEST_DRIFT: Final = math.log(3)
"""Three times as many or a third: a share that walks farther is an incident, not a habit."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Traffic:
    """An installation's traffic. None stands for what the system's profile has.

    `ends_per_hour` is the mean over a week. The day goes from 1 to `daily_ratio` and is fullest at
    `peak_hour` UTC; a weekend day has `weekend` times a working day's ends. `shares` maps codes to
    their part of all ends; successes take what the others leave, in the proportion given. `failing`
    is the part of all ends that fail, in the proportion of `shares`; 0.005 keeps an objective of 99.5 %.

    `drift` is the standard deviation, after a day, of the random walk of a share's logarithm.
    `level_noise` and `code_noise` are coefficients of variation from minute to minute, of all ends and
    of each code by itself (gamma, so that counts are negative binomial). `burst_chance` of the failed
    ends are followed by on average `burst_size` more of the same user, within a minute or so.
    `burst_scale` multiplies the two coefficients and `burst_size` and leaves the means.

    `p_missed_scrape` is the chance that a scrape fails; `restarts_per_day` are of the exporter, each of
    which misses one to three scrapes and gets the ends of that time just after it, because senders retry.

    The defaults of the noise are assumptions. Measured over 28 days, the variance of a failure code's
    counts of a minute is 1.4 to 1.8 times their mean up to 10,000 ends an hour (Poisson: 1), 3 to 15
    times at a million. Raises `ConfigError` for what can't be.
    """

    ends_per_hour: float = 1000.0
    shares: Mapping[str, float] | None = None
    failing: float | None = None
    daily_ratio: float = 4.0
    peak_hour: float | None = None
    weekend: float | None = None
    drift: float = 0.05
    level_noise: float = 0.05
    code_noise: float = 0.2
    burst_chance: float = 0.04
    burst_size: float = 3.0
    burst_scale: float = 1.0
    p_missed_scrape: float = 0.001
    restarts_per_day: float = 0.5

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{name} = {value:g}: from {low:g} to {high:g}")
        shares = self.shares or {}
        if any(not share >= 0 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
            raise ConfigError(f"shares = {dict(shares)}: at least 0 each, at most 1 together")

    def shape(self, times: Floats) -> Floats:
        """The load at `times` (Unix seconds, UTC), relative to the week's mean.

        Raises `ConfigError` when `peak_hour` or `weekend` is still None: `profiles.fitted` sets them.
        """
        week = np.arange(0, 7 * DAY, 600.0) + 300.0
        return np.asarray(self._load(times) / self._load(week).mean(), dtype=np.float64)

    def _load(self, times: Floats) -> Floats:
        if self.peak_hour is None or self.weekend is None:
            raise ConfigError("peak_hour and weekend: set them, or take them from a profile")
        amplitude = math.log(self.daily_ratio) / 2
        hours = times / HOUR - self.peak_hour
        daily = np.exp(amplitude * np.cos(2 * np.pi * hours / 24))
        # Between noons, so that no midnight has a step: people come and go over hours.
        days = np.arange(7) + 0.5
        factors = np.where(days < 5, 1.0, self.weekend)
        weekly = np.interp(times / DAY + _EPOCH_WEEKDAY, days, factors, period=7)
        return np.asarray(daily * weekly, dtype=np.float64)

    def means(
        self,
        times: Floats,
        step: float,
        codes: Sequence[str],
        successes: Sequence[int],
        random: np.random.Generator,
    ) -> Floats:
        """(times, codes): the mean of each bin of `step` seconds around `times`, shares drifting.

        `successes` are the columns that take what the drifting others leave.
        """
        shares = np.array([(self.shares or {}).get(code, 0.0) for code in codes])
        total = self.ends_per_hour * step / HOUR * self.shape(times)
        drifted = shares * np.exp(self._walks(times, len(codes), random))
        drifted[:, list(successes)] = 0.0
        left = np.maximum(1.0 - drifted.sum(axis=1), 0.0)
        good = shares[list(successes)]
        good = good / good.sum() if good.sum() else np.full(len(good), 1.0 / max(len(good), 1))
        drifted[:, list(successes)] = left[:, np.newaxis] * good
        return np.asarray(drifted * total[:, np.newaxis], dtype=np.float64)

    def _walks(self, times: Floats, codes: int, random: np.random.Generator) -> Floats:
        """(times, codes): random walks of an hour's step, in straight lines between the hours."""
        hours = (times - times[0]) / HOUR
        steps = random.normal(0.0, self.drift / math.sqrt(24), (int(hours[-1]) + 2, codes))
        walks = np.clip(np.cumsum(steps, axis=0) - steps[0], -_FARTHEST_DRIFT, _FARTHEST_DRIFT)
        at = np.arange(len(walks), dtype=np.float64)
        return np.stack([np.interp(hours, at, walks[:, one]) for one in range(codes)], axis=1)


_RANGES: Final = (
    ("ends_per_hour", 0.1, 1e8),
    ("failing", 0.0, 1.0),
    ("daily_ratio", 1.0, 100.0),
    ("peak_hour", 0.0, 24.0),
    ("weekend", 0.01, 10.0),
    ("drift", 0.0, 1.0),
    ("level_noise", 0.0, 1.0),
    ("code_noise", 0.0, 3.0),
    ("burst_chance", 0.0, 1.0),
    ("burst_size", 0.0, 100.0),
    ("burst_scale", 0.0, 10.0),
    ("p_missed_scrape", 0.0, 1.0),
    ("restarts_per_day", 0.0, 100.0),
)
