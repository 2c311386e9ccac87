"""Limits how many large bodies are decoded and committed at a time, so that single events wait less."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from exporter.errors import QueueFull

LARGE: Final = 16 * 1024
"""Bytes of a body from which on decoding it takes longer than a single event may wait."""
MOST_WITH_SQLITE: Final = 4
"""Bodies that are decoded or committed at a time while a thread of the ledger commits: they compete with a
single event for the interpreter lock. Beside eight connections with batches of 1,000 events, the event takes
14 ms (p99) with 4 bodies, and 21 to 27 ms without a bound. The batches take 5 to 9 % longer with 4 bodies,
13 % with 3."""
MOST_WITH_REDIS: Final = 16
"""The same number for Redis, which has its own process: with 4 bodies, batches took 9 % longer."""


class LargeBodies:
    """At most `most` bodies are decoded or committed, and at most `budget` bytes of bodies wait for that.

    `decoding` is the lock for decoding one body at a time.
    """

    def __init__(self, budget: int, most: int = MOST_WITH_SQLITE) -> None:
        self._budget, self._waiting = budget, 0
        self._turns, self.decoding = asyncio.Semaphore(most), asyncio.Lock()

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Wait for the turn of a body of `size` bytes. Raises `QueueFull` when too many bytes wait."""
        # The first body that waits may have any size.
        if self._waiting and self._waiting + size > self._budget:
            raise QueueFull(
                f"{self._waiting} bytes of other requests wait for the ledger; send the events again"
            )
        self._waiting += size
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= size
        try:
            yield
        finally:
            self._turns.release()
