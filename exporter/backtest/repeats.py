"""Repeats among the ends of files, as `exporter.ledger.repeats` counts them, by the time of the ends."""

from typing import Final

from exporter.ledger.contract import REPEAT_WINDOW

_MOST_USERS: Final = 1_000_000
"""Pairs of user and code, which take 250 MB. Beyond this number the oldest pair is forgotten."""


class Repeats:
    """For each user and code, the latest end that is not a repeat. Times may go backwards."""

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
