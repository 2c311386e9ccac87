"""Commit coalescing: a deferrable batch waits for a short time to share the commit of another batch."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LONGEST_WAIT: Final = 0.05
"""Seconds that a deferrable batch waits: deferrable batches alone cause at most 20 commits a second."""


class Coalescer(Generic[T]):
    """Passes items to `send` in their order; deferrable items wait for the next item that is not."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, send: Callable[[T], None], longest_wait: float
    ) -> None:
        self._loop, self._send, self._longest_wait = loop, send, longest_wait
        self._waiting: list[T] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T, *, deferrable: bool) -> None:
        if not deferrable:
            self.flush()
            self._send(item)
            return
        self._waiting.append(item)
        if self._timer is None:
            self._timer = self._loop.call_later(self._longest_wait, self.flush)

    def flush(self) -> None:
        """Send the waiting items."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            self._send(item)
