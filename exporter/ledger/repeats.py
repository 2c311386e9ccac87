"""Repeats: the second and later ends of one user with one code within 15 minutes.

Alerts do not count repeats: the retries of one user count once in 15 minutes. The 15 minutes begin with an
end that is no repeat, and repeats do not extend them: in a long outage every user who still tries is counted
again after 15 minutes, and the alert goes on.

Time is the time of the commit and not that of the event, because alerts count by the time of a scrape. A late
end is never a repeat.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from exporter.ledger.contract import REPEAT_WINDOW

MAX_USERS: Final = 500_000
"""Most users that are remembered: 555 users a second for 15 minutes, in 80 MB. Above it the oldest users are
forgotten early, and their next end is no repeat, as after a restart."""


class RecentUsers:
    """Users with an end in the last 15 minutes, in memory. Not thread-safe; `clock` never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counted: OrderedDict[bytes, float] = OrderedDict()

    def repeats(self, users: Sequence[bytes | None]) -> list[bool]:
        """Whether each of these events is a repeat, in their order; None is an event without a user."""
        since = self._clock() - REPEAT_WINDOW
        while self._counted and next(iter(self._counted.values())) <= since:
            self._counted.popitem(last=False)
        seen: set[bytes] = set()
        repeats = []
        for user in users:
            repeats.append(user in seen or user in self._counted)
            if user is not None:
                seen.add(user)
        return repeats

    def remember(self, users: Sequence[bytes | None], repeats: Sequence[bool]) -> None:
        """Remember the users of counted events that are no repeats."""
        now = self._clock()
        for user, repeat in zip(users, repeats, strict=True):
            if user is not None and not repeat:
                self._counted[user] = now
        while len(self._counted) > MAX_USERS:
            self._counted.popitem(last=False)
