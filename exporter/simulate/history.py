"""What a simulation gives: counts in bins, and the truth that alerts are judged by."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

STEP: Final = 15.0
"""Seconds a bin: the scrape interval of deploy/prometheus/prometheus.yml."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened, from `start` to `end` in Unix seconds, and what the alerts should make of it.

    `codes` are those that rise; none when everything stops. `expects` is "page", "ticket" or "nothing"
    (a nuisance). `signals` are the kinds of alert that count as its detection: "spike", "stopped",
    "elevated", "new", "overrun"; none for a nuisance. A `flapping` one goes on and off in between.
    """

    name: str
    system: str
    codes: tuple[str, ...]
    start: float
    end: float
    expects: str
    signals: tuple[str, ...]
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """One system's ends. Bin i is from `start + i * step` (Unix seconds) until the next begins.

    `codes` are the columns: every code of the taxonomy and `unknown`. `ends`, (bins, codes), has the
    ends counted in each bin, `expected`, of the same shape, their mean as it would be without what
    expects a page or a ticket: nuisances are in it, noise is not. `scraped`, (bins,), says whether the
    scrape at the end of the bin happened; a scrape shows the sum of all bins until then.
    """

    system: str
    start: float
    step: float
    codes: tuple[str, ...]
    ends: NDArray[np.int64]
    expected: NDArray[np.float64]
    scraped: NDArray[np.bool_]
    incidents: tuple[Incident, ...]

    @property
    def end(self) -> float:
        """Unix seconds at which the last bin ends."""
        return self.start + len(self.ends) * self.step

    def bins(self, start: float, end: float) -> slice:
        """The bins that begin within [start, end), Unix seconds."""
        first, last = (
            min(max(int(np.ceil((at - self.start) / self.step - 1e-6)), 0), len(self.ends))
            for at in (start, end)
        )
        return slice(first, last)
