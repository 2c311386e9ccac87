"""The result of a `send`: its counts, the first mistakes, and the command's exit code."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.send.connection import Warnings

_MAX_PRINTED: Final = 20  # of a kind; a file of the wrong format has a million mistakes
_MAX_CODES: Final = 1000
_OTHER_CODES: Final = "(others)"
_COUNTS: Final = ("read", "accepted", "duplicates", "rejected", "skipped", "retries")
_WARNINGS: Final = ("unknown_codes", "ignored_fields", "late")


@dataclass(slots=True)
class Report:
    """Counts of events; `read - skipped - acknowledged` events got no answer."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str = ""  # why events were not delivered
    unknown_codes: Counter[str] = field(default_factory=Counter)  # as sent
    ignored_fields: dict[str, str | None] = field(default_factory=dict)  # name: nearest field
    late: dict[str, Any] = field(default_factory=dict)  # `events` and `oldest`, as in an answer
    # Gets the first mistakes.
    print_line: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def acknowledged(self) -> int:
        """Events with an answer from the exporter: they need not be sent again."""
        return self.accepted + self.duplicates + self.rejected

    @property
    def exit_code(self) -> int:
        """0 all counted, 1 some rejected or skipped, 2 not all delivered."""
        return 2 if self.error else int(self.rejected + self.skipped > 0)

    @property
    def advice(self) -> str:
        """How many events are acknowledged, and how to deliver the others."""
        return (
            f"{self.acknowledged:,} events were acknowledged. Run the same command again, or send the other "
            "lines of a pipe again from where they are kept: within the exporter's deduplication window (by "
            "default 24 h and 1,000,000 events), no event of a file, and none with an id, is counted twice."
        )

    def reject(self, place: str, message: str) -> None:
        """The exporter refused the event at `place`."""
        self.rejected += 1
        self._print(f"{place}: rejected: {message}", self.rejected)

    def skip(self, place: str, message: str) -> None:
        """The record at `place` is not an event and was not sent."""
        self.skipped += 1
        self._print(f"{place}: skipped: {message}", self.skipped)

    def warn(self, warnings: Warnings) -> None:
        for code, count in warnings.unknown_codes.items():
            remembered = code in self.unknown_codes or len(self.unknown_codes) < _MAX_CODES
            self.unknown_codes[code if remembered else _OTHER_CODES] += count
        self.ignored_fields |= warnings.ignored_fields
        if late := warnings.late:
            oldest = min(late.oldest, self.late.get("oldest", late.oldest))
            self.late = {"events": self.late.get("events", 0) + late.events, "oldest": oldest}

    def print_warnings(self) -> None:
        """Prints the names that may be the code of events without one, and the unknown codes."""
        near = [name for name, field in self.ignored_fields.items() if field == "code"]
        if near:
            self.print_line(f"ignored, but near `code`: {', '.join(near[:_MAX_PRINTED])}")
        if self.unknown_codes:
            codes = [f"{code!r} {n:,}×" for code, n in self.unknown_codes.most_common(_MAX_PRINTED)]
            more = ", …" if len(self.unknown_codes) > _MAX_PRINTED else ""
            self.print_line(f"codes that the taxonomy does not have: {', '.join(codes)}{more}")

    def summary(self) -> str:
        counts = ", ".join(f"{getattr(self, name):,} {name}" for name in _COUNTS)
        late = ", {events:,} late (oldest {oldest})".format(**self.late) if self.late else ""
        return f"{counts}{late}, {self.seconds:.1f} seconds"

    def as_json(self) -> str:
        """The counts, `seconds`, `delivered` and `error` as a JSON object."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        outcome = {"seconds": round(self.seconds, 3), "delivered": not self.error}
        warnings = {name: getattr(self, name) for name in _WARNINGS}
        return json.dumps({**counts, **outcome, "error": self.error or None, "warnings": warnings})

    def _print(self, line: str, count: int) -> None:
        if count <= _MAX_PRINTED:
            self.print_line(line)
        elif count == _MAX_PRINTED + 1:
            self.print_line(f"… more than {_MAX_PRINTED} of these; the others are only counted")
