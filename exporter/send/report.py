"""How a `send` went: the numbers, the first mistakes, and the command's exit code."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SHOWN: Final = 20
"""Mistakes of a kind that are printed one by one; a file with the wrong header has a million."""
_WINDOW: Final = 1_000_000


@dataclass(slots=True)
class Report:
    """Counts of events. `read` includes `skipped`; `read - skipped - acknowledged` got no answer.

    `tell` gets a line for people for each of the first mistakes. `error` is why not all could be
    delivered, and empty when they were.
    """

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    retries: int = 0
    seconds: float = 0.0
    error: str = ""
    tell: Callable[[str], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def acknowledged(self) -> int:
        """Events the server has answered for: they need not be sent again."""
        return self.accepted + self.duplicates + self.rejected

    @property
    def exit_code(self) -> int:
        """0 all counted, 1 some rejected or skipped, 2 not all could be delivered."""
        return 2 if self.error else int(self.rejected + self.skipped > 0)

    @property
    def advice(self) -> str:
        """What running the same command again would do."""
        if self.acknowledged <= _WINDOW:
            return "Running the same command again within 24 h is safe: what was counted is recognised."
        return (
            f"More than {_WINDOW:,} were, which is as many as a server recognises by default: "
            "send the rest only, from there on."
        )

    def reject(self, place: str, message: str) -> None:
        """The server did not count the event at `place` and never will."""
        self.rejected += 1
        if self.rejected <= SHOWN:
            self.tell(f"{place}: rejected: {message}")

    def skip(self, place: str, message: str) -> None:
        """The record at `place` is no event and was not sent."""
        self.skipped += 1
        if self.skipped <= SHOWN:
            self.tell(f"{place}: skipped: {message}")

    def rest(self) -> None:
        """Tells how many mistakes were not printed one by one."""
        for count, kind in ((self.rejected, "rejected"), (self.skipped, "skipped")):
            if count > SHOWN:
                self.tell(f"… and {count - SHOWN:,} more {kind}")

    def line(self) -> str:
        """The summary for people."""
        counts = ("read", "accepted", "duplicates", "rejected", "skipped", "retries")
        numbers = ", ".join(f"{getattr(self, name):,} {name}" for name in counts)
        return f"{numbers}, {self.seconds:.1f} seconds"

    def as_json(self) -> str:
        """The summary for programs: one object, the counts by name, `delivered` and `error`."""
        return json.dumps(
            {
                "read": self.read,
                "accepted": self.accepted,
                "duplicates": self.duplicates,
                "rejected": self.rejected,
                "skipped": self.skipped,
                "retries": self.retries,
                "seconds": round(self.seconds, 3),
                "delivered": not self.error,
                "error": self.error or None,
            }
        )
