"""Commit coalescing: a deferrable batch waits for the commit of another batch, for a short time."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LONGEST_WAIT: Final = 0.05
"""Seconds that a deferrable batch waits: deferrable batches alone cause at most 20 commits a second."""


class Coalescer(Generic[T]):
    """Passes items to `send` in their order; a deferrable item waits for the next one that is not."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, send: Callable[[T], None], longest: float
    ) -> None:
        self._loop = loop
        self._send = send
        self._longest = longest
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, *, deferrable: bool) -> None:
        """Send it with those who wait, or let it wait: `longest` seconds at most."""
        if not deferrable:
            self.flush()
            self._send(item)
            return
        self._waiting.append(item)
        if self._timer is None:
            self._timer = self._loop.call_later(self._longest, self.flush)

    def flush(self) -> None:
        """Send what waits: before what it rides along with, since it came first."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            self._send(item)
