"""The bins of an incident, and the changes that an incident can make to them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exporter.ledger.contract import REPEAT_WINDOW
from exporter.simulate.history import Counts, Floats


@dataclass(frozen=True, slots=True)
class Window:
    """The bins from an incident's start to its end, or to the end of the history.

    `times` (Unix seconds) and `seconds` (since the start) are the middles of the bins of `step` seconds;
    the whole incident has `length` seconds. Methods change `rates`, a view of the (bins, codes) means, and
    `exact`, counts without noise, and `repeats`, the retries among them. `codes` (the incident's) and
    `successes` are columns. `load` gives the ordinary load at Unix seconds.
    """

    times: Floats
    seconds: Floats
    step: float
    length: float
    rates: Floats
    exact: Counts
    repeats: Counts
    codes: Sequence[int]
    successes: Sequence[int]
    load: Callable[[Floats], Floats]
    random: np.random.Generator

    @property
    def progress(self) -> Floats:
        """(bins,): from 0 at the start to 1 at the end."""
        return self.seconds / self.length

    def slopes(self, seconds: float) -> Floats:
        """(bins,): rises from 0 to 1 in the first `seconds`, falls back to 0 in the last `seconds`."""
        return np.clip(np.minimum(self.seconds, self.length - self.seconds) / seconds, 0.0, 1.0)

    def set_share(self, share: float | Floats) -> None:
        """Raises the codes' share of all ends to `share`, in equal parts, at the expense of successes."""
        total = self.rates.sum(axis=1)
        success = self.rates[:, self.successes].sum(axis=1)
        missing = share * total - self.rates[:, self.codes].sum(axis=1)
        # A share that is higher already stays.
        moved = np.clip(missing, 0.0, success)
        kept = 1.0 - np.divide(moved, success, out=np.zeros_like(success), where=success > 0)
        self.rates[:, self.successes] *= kept[:, np.newaxis]
        self.rates[:, self.codes] += (moved / len(self.codes))[:, np.newaxis]

    def multiply_share(self, factor: Floats) -> None:
        """Multiplies the codes' share of all ends, at the expense of successes."""
        total = self.rates.sum(axis=1)
        own = self.rates[:, self.codes].sum(axis=1)
        self.set_share(factor * np.divide(own, total, out=np.zeros_like(own), where=total > 0))

    def add_share(self, share: float) -> None:
        """Adds ends with the codes: `share` of all other ends, on top of them."""
        more = share * self.rates.sum(axis=1) / len(self.codes)
        self.rates[:, self.codes] += more[:, np.newaxis]

    def scale(self, factor: float | Floats) -> None:
        self.rates[:] *= np.reshape(factor, (-1, 1))

    def scale_successes(self, factor: float | Floats) -> None:
        self.rates[:, self.successes] *= np.reshape(factor, (-1, 1))

    def add_user(self, seconds: Floats) -> None:
        """Adds the ends of one user, all with the first code, at these ascending seconds after the start."""
        rows = np.minimum(seconds // self.step, len(self.exact) - 1).astype(np.intp)
        counted = -REPEAT_WINDOW
        for row, second in zip(rows.tolist(), seconds.tolist(), strict=True):
            self.exact[row, self.codes[0]] += 1
            if second - counted < REPEAT_WINDOW:
                self.repeats[row, self.codes[0]] += 1
            else:
                counted = second
