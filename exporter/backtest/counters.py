"""One system's counters as Prometheus scrapes them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Counters:
    """Row i is the scrape at `start + i * step` (Unix seconds).

    `totals`, (rows, codes), are the sums of each code's ends; `present`, (rows,), is False where the
    scrape failed. Counters don't reset: the exporter's survive restarts.
    """

    system: str
    start: float
    step: int
    codes: tuple[str, ...]
    totals: NDArray[np.int64]
    present: NDArray[np.bool_]

    @property
    def end(self) -> float:
        """The last scrape, Unix seconds."""
        return self.start + (len(self.totals) - 1) * self.step

    def times(self, rows: Rows) -> Floats:
        return np.asarray(self.start + rows * float(self.step), np.float64)
