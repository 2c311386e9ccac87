"""The time of an incident, as its function in `incidents` changes it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exporter.simulate.traffic import Floats, Traffic

Share = float | Floats


@dataclass(frozen=True, slots=True)
class Window:
    """Bins from the incident's start to its end, or to the history's where that is sooner.

    `times` are the Unix seconds at the middle of each bin of `step` seconds, `seconds` the same since the
    start, `length` the seconds of the whole incident; `rates` a view of (bins, codes) means that the
    methods change, `exact` the same of ends that are added without noise. `codes` and `successes` are
    columns.
    """

    times: Floats
    seconds: Floats
    step: float
    length: float
    rates: Floats
    exact: NDArray[np.int64]
    codes: Sequence[int]
    successes: Sequence[int]
    traffic: Traffic
    random: np.random.Generator

    @property
    def progress(self) -> Floats:
        """(bins,): from 0 at the start to 1 at the end."""
        return self.seconds / self.length

    def slopes(self, seconds: float) -> Floats:
        """(bins,): from 0 to 1 within `seconds` of the start, back to 0 as long before the end."""
        return np.clip(np.minimum(self.seconds, self.length - self.seconds) / seconds, 0.0, 1.0)

    def take(self, share: Share) -> None:
        """`share` of all ends come with the incident's codes, in equal parts, instead of succeeding.

        An attempt that fails isn't a success, so the number of ends stays; where the codes have that
        share already, or no success is left, nothing changes.
        """
        total = self.rates.sum(axis=1)
        good = self.rates[:, list(self.successes)].sum(axis=1)
        wanted = share * total - self.rates[:, list(self.codes)].sum(axis=1)
        moved = np.clip(wanted, 0.0, good)
        kept = 1.0 - np.divide(moved, good, out=np.zeros_like(good), where=good > 0)
        self.rates[:, list(self.successes)] *= kept[:, np.newaxis]
        self.rates[:, list(self.codes)] += (moved / len(self.codes))[:, np.newaxis]

    def grow(self, factor: Share) -> None:
        """The codes' own shares times `factor`, instead of succeeding."""
        total = self.rates.sum(axis=1)
        own = self.rates[:, list(self.codes)].sum(axis=1)
        self.take(factor * np.divide(own, total, out=np.zeros_like(own), where=total > 0))

    def add(self, share: Share) -> None:
        """Ends with the codes on top of all others, as many as `share` of those."""
        more = share * self.rates.sum(axis=1) / len(self.codes)
        self.rates[:, list(self.codes)] += more[:, np.newaxis]

    def scale(self, factor: Share) -> None:
        """Times as many ends of all codes."""
        self.rates[:] *= np.reshape(factor, (-1, 1))

    def scale_successes(self, factor: Share) -> None:
        """Times as many successes; the other codes stay."""
        self.rates[:, list(self.successes)] *= np.reshape(factor, (-1, 1))

    def burst(self, column: int, ends: int, seconds: float) -> None:
        """Exactly `ends` ends of one code, evenly in the window's first `seconds`."""
        share = np.arange(ends) / ends
        last = len(self.exact) - 1
        for at in np.minimum(share * seconds // self.step, last).astype(np.intp):
            self.exact[at, column] += 1
