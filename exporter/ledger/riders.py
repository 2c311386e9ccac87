"""Patient batches: they ride along with another write, and ask for one of their own only when none comes."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LONGEST_WAIT: Final = 0.05
"""Seconds that a patient batch waits for another's write: 20 writes of their own a second at most. A browser
notices no answer that is later by so much, and a disk's fsync takes 1 to 10 ms."""


class Riders(Generic[T]):
    """Items on their way to `send`, in the order in which they came; patient ones wait for another one."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, send: Callable[[T], None], longest: float
    ) -> None:
        self._loop = loop
        self._send = send
        self._longest = longest
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self, item: T, *, patient: bool) -> None:
        """Send it with those who wait, or let it wait: `longest` seconds at most."""
        if not patient:
            self.board()
            self._send(item)
            return
        self._waiting.append(item)
        if self._timer is None:
            self._timer = self._loop.call_later(self._longest, self.board)

    def board(self) -> None:
        """Send what waits: before what it rides along with, since it came first."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            self._send(item)
