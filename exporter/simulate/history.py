"""A simulated history: counts of session ends per bin, and the incidents that are in it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

STEP: Final = 15.0
"""Seconds per bin: the scrape interval of deploy/prometheus/prometheus.yml."""
HOUR: Final = 3600.0
DAY: Final = 86400.0

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def expected_alert(expects: str, signals: tuple[str, ...]) -> str:
    """The alert that an incident should cause, in words."""
    return f"expected alert: {' or '.join(signals)} {expects}" if signals else "no expected alert"


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident from `start` to `end` (Unix seconds), and the alert that it should cause.

    `codes` rise during the incident; empty when traffic as a whole changes. `expects` is "page", "ticket"
    or "nothing" (a nuisance). An alert with one of `signals` detects the incident: "spike", "stopped",
    "elevated", "new", "overrun".
    """

    name: str
    system: str
    codes: tuple[str, ...]
    start: float
    end: float
    expects: str
    signals: tuple[str, ...]

    def __str__(self) -> str:
        subject = " ".join((self.name, "on", self.system, *self.codes))
        return f"{subject} ({expected_alert(self.expects, self.signals)})"


@dataclass(frozen=True, slots=True)
class History:
    """Session ends of one system. Bin i covers `step` seconds from `start + i * step` (Unix seconds).

    `codes` names the columns: every code of the taxonomy and `unknown`. `ends` (bins, codes) counts the
    session ends. `expected` (bins, codes) is their mean without incidents that expect an alert: it includes
    nuisances and excludes noise. `scraped` (bins,) tells whether the scrape at the end of the bin succeeded;
    a scrape shows the sum of all bins until then. `repeats` (bins, codes) counts the ends among `ends` that
    are repeats (`exporter.ledger.repeats`).
    """

    system: str
    start: float
    step: float
    codes: tuple[str, ...]
    ends: Counts
    expected: Floats
    scraped: NDArray[np.bool_]
    repeats: Counts
    incidents: tuple[Incident, ...]

    @property
    def end(self) -> float:
        """Unix seconds at which the last bin ends."""
        return self.start + len(self.ends) * self.step

    def bins(self, start: float, end: float) -> slice:
        """The bins that begin within [start, end), Unix seconds."""
        times = (np.array([start, end]) - self.start) / self.step
        first, last = np.clip(np.ceil(times - 1e-6), 0, len(self.ends)).astype(int).tolist()
        return slice(first, last)
