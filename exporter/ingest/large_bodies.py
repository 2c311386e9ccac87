"""Limits how many large bodies are decoded and committed at a time, so that single events wait less."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from exporter.errors import QueueFull
from exporter.ingest.event import Decoded

LARGE: Final = 16 * 1024
"""Bytes of a body from which on decoding it takes longer than a single event may wait."""
BESIDE_THREAD: Final = 4
"""Bodies that are decoded or committed at a time while a thread of the ledger commits: they compete with a
single event for the interpreter lock. Beside eight connections with batches of 1,000 events, the event takes
14 ms (p99) with 4 bodies, and 21 to 27 ms without a bound. The batches take 5 to 9 % longer with 4 bodies,
13 % with 3."""
WITHOUT_THREAD: Final = 16
"""The same number for Redis, which has its own process: with 4 bodies, batches took 9 % longer."""

Counted = TypeVar("Counted")


class LargeBodies:
    """At most `turns` bodies are decoded or committed, and at most `budget` bytes of bodies wait for that."""

    def __init__(self, budget: int, turns: int = BESIDE_THREAD) -> None:
        self._budget, self._waiting = budget, 0
        self._turns, self._decoding = asyncio.Semaphore(turns), asyncio.Lock()

    async def count(
        self,
        size: int,
        decode: Callable[[], Decoded],
        count: Callable[[Decoded], Awaitable[Counted]],
    ) -> Counted:
        """Decode and count a body of `size` bytes; the event loop decodes one body at a time.

        Raises `QueueFull` when too many bytes wait.
        """
        # The first body that waits may have any size.
        if self._waiting and self._waiting + size > self._budget:
            raise QueueFull(
                f"{self._waiting} bytes of other requests wait for the ledger; send the events again",
                retry_after=1,
            )
        self._waiting += size
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= size
        try:
            async with self._decoding:
                await asyncio.sleep(0)
                decoded = decode()
            return await count(decoded)
        finally:
            self._turns.release()
