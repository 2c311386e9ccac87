"""What a history's files held that is in no count, and the first mistakes of each kind."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

SHOWN: Final = 3
"""Mistakes of a kind that are printed one by one; they are the same one most of the time."""


@dataclass(slots=True)
class LeftOut:
    """Counts of events. `read` is all there were, `counted` those in the bins, the rest is left out.

    `rejected` is by reason, as the exporter would have answered. `astray` are too far from all others
    (see `Ends`), from `earliest` to `latest`, Unix seconds. `tell` gets a line for people for each
    of the first mistakes.
    """

    read: int = 0
    counted: int = 0
    duplicates: int = 0
    interruptions: int = 0
    undated: int = 0
    others: int = 0
    astray: int = 0
    earliest: float = 0.0
    latest: float = 0.0
    rejected: Counter[str] = field(default_factory=Counter)
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def reject(self, place: str, reason: str, message: str) -> None:
        """The record at `place`, FILE:LINE, is no event that an exporter counts."""
        self.rejected[reason] += 1
        if self.rejected[reason] <= SHOWN:
            self.tell(f"{place}: left out: {message}")
        elif self.rejected[reason] == SHOWN + 1:
            self.tell(f"{place}: left out, as all further ones of this kind ({reason})")

    def stray(self, ends: int, first: float, last: float) -> None:
        """`ends` were counted and are not any more."""
        self.earliest = min(first, self.earliest) if self.astray else first
        self.latest = max(last, self.latest) if self.astray else last
        self.astray += ends
        self.counted -= ends

    def lines(self) -> Iterator[tuple[int, str]]:
        """How many events were left out, and why, for each reason there was."""
        span = f"{_day(self.earliest)} to {_day(self.latest)}"
        if self.earliest // 86400 == self.latest // 86400:
            span = _day(self.earliest)
        for count, why in (
            (self.undated, "without occurred_at: nothing says when they happened"),
            (self.duplicates, "duplicates of events that came before"),
            (self.interruptions, "interruptions that recovered (final: false)"),
            (self.others, "of other systems than --system"),
            (self.astray, f"far from all others ({span}), as if from a wrong clock"),
        ):
            if count:
                yield count, why
        for reason, count in self.rejected.most_common():
            yield count, f"that an exporter rejects ({reason})"


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
