"""What is known of one project's users, and when it is asked about next."""

from dataclasses import dataclass
from typing import Final

from exporter.live.stats import Counts

LONGEST_PAUSE: Final = 600.0
"""Seconds between two questions that fail: an outage of the API that is over is seen within ten minutes."""
FRESH_FOR: Final = 3
"""Intervals after which counts are no longer shown: a queue of an hour ago would be a lie."""


@dataclass(slots=True)
class Project:
    """`due`, `asked` and `answered` are of a clock that never goes back, `at` is Unix time, 0 for never.

    Changed on the event loop, read by scrapes on another thread.
    """

    id: str
    due: float
    counts: Counts | None = None
    answered: float = 0.0
    at: float = 0.0
    failures: int = 0
    reason: str = ""

    def fresh(self, now: float, interval: float) -> Counts | None:
        """The counts, unless they are too old to be shown."""
        return self.counts if now - self.answered <= FRESH_FOR * interval else None

    def succeeded(self, counts: Counts, asked: float, now: float, at: float, every: float) -> None:
        self.counts, self.answered, self.at = counts, now, at
        self.failures, self.reason = 0, ""
        self.due = asked + every

    def failed(self, reason: str, now: float, every: float, wait: float, jitter: float) -> None:
        """Ask again after `every` seconds, then twice as many and so on, and not before `wait`; `jitter`, 0
        to 1, makes that up to a tenth longer, so that two exporters don't ask in step."""
        self.failures += 1
        self.reason = reason
        pause = min(every * 2.0 ** min(self.failures - 1, 10), max(LONGEST_PAUSE, every))
        self.due = now + max(pause, wait) * (1 + jitter / 10)
