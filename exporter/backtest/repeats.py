"""Repeats among the ends of files, as `exporter.ledger.repeats` counts them, by the time of the ends."""

from typing import Final

from exporter.ledger.contract import REPEAT_WINDOW

_MOST_USERS: Final = 1_000_000
"""In 250 MB. Past it the oldest are forgotten, as a restart of the exporter forgets all."""


class Repeats:
    """The latest end of each user and code that is no repeat. Files may go back in time."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, str], float] = {}

    def add(self, system: str, code: str, user: str, time: float) -> bool:
        """Whether an end at `time` (Unix seconds) is a repeat."""
        key = (system, code, user)
        counted = self._counted.pop(key, None)
        repeat = counted is not None and abs(time - counted) < REPEAT_WINDOW
        self._counted[key] = counted if repeat and counted is not None else time
        if len(self._counted) > _MOST_USERS:
            del self._counted[next(iter(self._counted))]
        return repeat
