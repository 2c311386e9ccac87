"""The result of a `send`: its counts, the first mistakes, and the command's exit code."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_MAX_PRINTED: Final = 20  # of a kind; a file of the wrong format has a million mistakes
_COUNTS: Final = ("read", "accepted", "duplicates", "rejected", "skipped", "retries")


@dataclass(slots=True)
class Report:
    """Counts of events; `read - skipped - acknowledged` events got no answer.

    `error` is the reason why events were not delivered; `print_line` gets the first mistakes.
    """

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str = ""
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
        safe = "within 24 h and up to 1,000,000 events, no event is counted twice"
        return (
            f"{self.acknowledged:,} events were acknowledged. Run the same command again: {safe}."
        )

    def reject(self, place: str, message: str) -> None:
        """The exporter refused the event at `place`, as it would every time."""
        self.rejected += 1
        self._print(f"{place}: rejected: {message}", self.rejected)

    def skip(self, place: str, message: str) -> None:
        """The record at `place` is not an event and was not sent."""
        self.skipped += 1
        self._print(f"{place}: skipped: {message}", self.skipped)

    def summary(self) -> str:
        """The counts in a line."""
        counts = ", ".join(f"{getattr(self, name):,} {name}" for name in _COUNTS)
        return f"{counts}, {self.seconds:.1f} seconds"

    def as_json(self) -> str:
        """The counts, `seconds`, `delivered` and `error` as a JSON object."""
        values = {name: getattr(self, name) for name in _COUNTS} | {
            "seconds": round(self.seconds, 3)
        }
        return json.dumps(values | {"delivered": not self.error, "error": self.error or None})

    def _print(self, line: str, count: int) -> None:
        if count <= _MAX_PRINTED:
            self.print_line(line)
        elif count == _MAX_PRINTED + 1:
            self.print_line(f"… more than {_MAX_PRINTED} of these; the others are only counted")
