"""How many events of the files were counted, and why the others were skipped."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

_PRINTED: Final = 3
"""Events per reason: further events usually have the same mistake."""


@dataclass(slots=True)
class EventCounts:
    """`rejected` is by reason, as the exporter would have answered; `note` gets the first of each reason.

    `outliers` are far from all other events (see `Ends`), at `outlier_times`, Unix seconds.
    """

    read: int = 0
    counted: int = 0
    duplicates: int = 0
    interruptions: int = 0
    undated: int = 0
    other_systems: int = 0
    outliers: int = 0
    outlier_times: list[float] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    note: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def reject(self, place: str, reason: str, message: str) -> None:
        """An exporter would reject the record at `place`, FILE:LINE."""
        self.rejected[reason] += 1
        if self.rejected[reason] <= _PRINTED:
            self.note(f"{place}: skipped: {message}")
        elif self.rejected[reason] == _PRINTED + 1:
            self.note(f"{place}: skipped, as are further events with this mistake ({reason})")

    def remove_outliers(self, ends: int, first: float, last: float) -> None:
        """Ends that were counted already, from `first` to `last`."""
        self.outliers += ends
        self.counted -= ends
        self.outlier_times += [first, last]

    def skipped(self) -> Iterator[tuple[int, str]]:
        """The number of skipped events for each reason."""
        days = {
            datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d")
            for time in (min(self.outlier_times, default=0.0), max(self.outlier_times, default=0.0))
        }
        for count, reason in (
            (self.undated, "without occurred_at"),
            (self.duplicates, "duplicates of earlier events"),
            (self.interruptions, "interruptions that recovered (final: false)"),
            (self.other_systems, "of other systems than --system"),
            (self.outliers, f"far from all others ({' to '.join(sorted(days))}): a wrong clock?"),
        ):
            if count:
                yield count, reason
        for reason, count in self.rejected.most_common():
            yield count, f"rejected by the exporter ({reason})"
