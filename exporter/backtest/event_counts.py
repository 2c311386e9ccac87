"""How many events of the files were counted, and why the others were skipped."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from exporter.streams import printable

_PRINTED: Final = 3
"""Events per reason: further events usually have the same mistake."""
_MOST_CODES: Final = 10_000
"""Different codes that are remembered: a column of ids could be mistaken for codes."""
MOST_SHOWN: Final = 10
"""Unknown codes of a system and ignored names in a report."""


@dataclass(slots=True)
class EventCounts:
    """`rejected` counts events by the exporter's reason; `note` gets the first events of each reason.

    `removed` counts ends by the reason of `Ends`. `unknown` counts the ends with a code that the
    taxonomy does not have, by system; `unknown_codes` by code as sent. `ignored` has the nearest field of
    each name that is not a field's.
    """

    read: int = 0
    counted: int = 0
    duplicates: int = 0
    interruptions: int = 0
    undated: int = 0
    removed: dict[str, int] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    unknown_codes: dict[str, Counter[str]] = field(default_factory=dict)
    ignored: dict[str, str | None] = field(default_factory=dict)
    note: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    def reject(self, place: str, reason: str, message: str) -> None:
        """An exporter would reject the record at `place`, FILE:LINE."""
        self.rejected[reason] += 1
        if self.rejected[reason] <= _PRINTED:
            self.note(f"{place}: skipped: {message}")
        elif self.rejected[reason] == _PRINTED + 1:
            self.note(f"{place}: skipped, as are further events with this mistake ({reason})")

    def count_unknown(self, system: str, code: str) -> None:
        self.unknown[system] += 1
        codes = self.unknown_codes.setdefault(system, Counter())
        if code in codes or len(codes) < _MOST_CODES:
            codes[code] += 1

    def remove(self, removed: dict[str, int]) -> None:
        """Counts ends, which were counted as valid, as skipped."""
        self.removed = removed
        self.counted -= sum(removed.values())

    def skipped(self) -> Iterator[tuple[int, str]]:
        for count, reason in (
            (self.undated, "without occurred_at"),
            (self.duplicates, "duplicates of earlier events"),
            (self.interruptions, "interruptions that recovered (final: false)"),
            *((ends, reason) for reason, ends in self.removed.items()),
        ):
            if count:
                yield count, reason
        for reason, count in self.rejected.most_common():
            yield count, f"rejected by the exporter ({reason})"

    def ignored_fields(self) -> str:
        """The first ignored names, separated by commas."""
        shown = islice(self.ignored.items(), MOST_SHOWN)
        names = (f"{name} (near {field})" if field else name for name, field in shown)
        return printable(", ".join(names))

    def remarks(self) -> Iterator[str]:
        """Lines about all events that were not counted as their sender meant."""
        for count, reason in self.skipped():
            yield f"{count:,} skipped: {reason}"
        if self.ignored:
            yield f"ignored fields: {self.ignored_fields()}"
        for system, ends in self.unknown.items():
            codes = ", ".join(
                f"{printable(code)} ({count:,})"
                for code, count in self.unknown_codes[system].most_common(MOST_SHOWN)
            )
            yield f"{ends:,} ends of {system} with unknown codes, the most frequent: {codes}"
