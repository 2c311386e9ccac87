"""The shared ledger: each replica commits groups of batches, with one script call per shard and group.

It differs from a file in these points of the contract:

**Atomic.** A batch is split by shard, and each shard's part is counted whole or not at all. When some
parts failed, or nobody knows, the batch gets `LedgerUnavailable`. Sent again, its events with a key are
counted once (those already counted are duplicates); events without a key may be counted again.

**Durable** depends on Redis: `appendfsync always` survives a power cut, `everysec` may lose a second, and
a failover may lose what its replica had not received. `wait` reduces that. `Status.lost_events` counts the
loss; totals that were exported stay until they are reached again.

**Shared.** `totals` shows this replica's events before their receipts, and other replicas' events about a
second later. Ids expire by their age alone, by Redis' clock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from exporter.errors import LedgerUnavailable, QueueFull, ShuttingDown
from exporter.ledger.coalescing import LONGEST_WAIT, Coalescer
from exporter.ledger.contract import Batch, Receipt, Status, Totals
from exporter.ledger.redis import health
from exporter.ledger.redis.connection import CallFailed
from exporter.ledger.redis.group import Group
from exporter.ledger.redis.plan import Plan
from exporter.ledger.redis.replica import Replica
from exporter.logs import Log

log = Log("exporter.ledger")

_GROUP_EVENTS: Final = 4096
"""A group with as many events takes no further batch: it bounds a single event's wait."""
READ_INTERVAL: Final = 1.0
"""Seconds between reads of what other replicas counted."""
_PROBE_INTERVAL: Final = 0.25
"""Seconds between reads while Redis takes no writes."""
HEALTH_INTERVAL: Final = 60.0
"""Seconds between checks of Redis' configuration."""
_RETRY_AFTER: Final = 2
"""Seconds that senders are asked to wait: a Cluster's failover takes at least that long."""

_Item = tuple[Batch, "asyncio.Future[Receipt]"]


class RedisLedger:
    """The contract of `exporter.ledger.contract` in Redis or Valkey; made by `RedisLedger.open`.

    `on_commit` gets each group's seconds, `on_failure` is called per failure, `on_broken` once, when another
    ledger has taken the place of this one; all on the loop.
    """

    def __init__(
        self,
        replica: Replica,
        infos: Sequence[health.Info],
        *,
        queue_events: int = 200_000,
        queue_bytes: int = 64 * 1024**2,
        longest_wait: float = LONGEST_WAIT,
        on_commit: Callable[[float], None] = lambda _: None,
        on_failure: Callable[[], None] = lambda: None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._replica = replica
        self._bounds = (queue_events, queue_bytes)
        self._on_commit, self._on_failure, self._on_broken = on_commit, on_failure, on_broken
        self._problem: str | None = None
        self._broken = self._closing = False
        self._events = self._bytes = self._spare = self._size = 0
        self._misconfigured: dict[str, str] = {}
        self._inbox: deque[_Item] = deque()
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._coalescer = Coalescer(self._loop, self._put, longest_wait)
        self._next_read: float | None = self._loop.time() + READ_INTERVAL
        self._next_check = self._loop.time() + HEALTH_INTERVAL
        self._check(infos)
        self._task = self._loop.create_task(self._run())

    @classmethod
    async def open(cls, plan: Plan, **options: object) -> "RedisLedger":
        """Join the ledger; raises as `Replica.join`."""
        replica = Replica(plan)
        return cls(replica, await replica.join(), **options)  # type: ignore[arg-type]

    async def commit(self, batch: Batch) -> Receipt:
        if self._closing:
            raise ShuttingDown("the exporter is shutting down; send the events again")
        if self._problem is not None:
            raise _unavailable()
        size = _size(batch)
        # A single batch larger than the queue is still taken when the queue is empty.
        if self._events and (
            self._events + len(batch) > self._bounds[0] or self._bytes + size > self._bounds[1]
        ):
            raise QueueFull(
                f"{self._events} events are waiting for the ledger; send the events again",
                retry_after=1,
            )
        self._events += len(batch)
        self._bytes += size
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._coalescer.add((batch, future), deferrable=batch.deferrable)
        return await future

    def totals(self) -> Totals:
        replica = self._replica
        series = replica.totals.series(replica.now())
        return Totals(replica.ledger, series, replica.totals.durations())

    def status(self) -> Status:
        return Status(
            problem="shutting down" if self._closing and not self._broken else self._problem,
            alive=self._closing or not self._task.done(),
            queue_events=self._events,
            queue_bytes=self._bytes,
            size_bytes=self._size,
            lost_events=sum(self._replica.lost.values()),
            misconfigured=self._misconfigured,
        )

    async def close(self) -> None:
        self._closing = True
        self._coalescer.flush()
        self._awake.set()
        # A second call of `close` that is cancelled must not cancel the first.
        await asyncio.shield(self._task)

    def _put(self, item: _Item) -> None:
        self._inbox.append(item)
        self._awake.set()

    # --- the task that talks to Redis ------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._inbox or not self._closing:
                if not self._inbox:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(self._next_read):
                            await self._awake.wait()
                    self._awake.clear()
                if self._inbox:
                    await self._commit(self._collect())
                now = self._loop.time()
                if self._next_read is not None and now >= self._next_read and not self._closing:
                    self._next_read = await self._housekeep(now)
        finally:
            await self._replica.leave()

    def _collect(self) -> list[_Item]:
        """The batches of the next group."""
        items: list[_Item] = []
        events = 0
        while self._inbox and events < _GROUP_EVENTS:
            items.append(self._inbox.popleft())
            events += len(items[-1][0])
        return items

    async def _commit(self, items: Sequence[_Item]) -> None:
        receipts: list[Receipt | None] = [None] * len(items)
        if self._problem is None:
            try:
                receipts = await self._count([batch for batch, _ in items])
            except Exception as error:
                # Any error: if this task died of it, its senders would wait for ever.
                self._fail(error)
        for (batch, future), receipt in zip(items, receipts, strict=True):
            self._events -= len(batch)
            self._bytes -= _size(batch)
            if future.done():
                continue
            if receipt is not None:
                future.set_result(receipt)
            else:
                future.set_exception(_unavailable())

    async def _count(self, batches: Sequence[Batch]) -> list[Receipt | None]:
        """Write the batches, then show them; their receipts, None for a batch with a failed part."""
        shards = self._replica.plan.shards
        self._spare = (self._spare + 1) % shards
        group = Group(batches, shards, self._spare)
        began = time.perf_counter()
        problem = await self._replica.count(group)
        if problem is not None:
            self._fail(problem)
        elif group.series:
            self._on_commit(time.perf_counter() - began)
        return group.receipts()

    async def _housekeep(self, now: float) -> float | None:
        """Read what other replicas counted, and find out whether Redis takes writes again.

        Returns the time of the next call, None for never.
        """
        replica = self._replica
        try:
            if self._problem is not None:
                await replica.probe()
            # Before `note_losses`, which would write into another ledger.
            ledger = await replica.heartbeat()
            if ledger != replica.ledger:
                self._break(f"the shared ledger {replica.ledger} has become {ledger}")
                return None
            await replica.read()
            await replica.note_losses()
            if now >= self._next_check:
                self._next_check = now + HEALTH_INTERVAL
                self._check(await replica.client.infos())
            replica.totals.end_delays(replica.now())
        except Exception as error:
            self._fail(error)
            return self._loop.time() + _PROBE_INTERVAL
        if self._problem is not None:
            problem, self._problem = self._problem, None
            log.info("ledger_recovered", problem=problem)
        return self._loop.time() + READ_INTERVAL

    def _check(self, infos: Sequence[health.Info]) -> None:
        """Log each misconfiguration once."""
        before, self._misconfigured = self._misconfigured, health.misconfigured(infos)
        self._size = sum(int(info.get("used_memory", 0)) for info in infos)
        for setting, sentence in self._misconfigured.items():
            if setting not in before:
                log.warning("ledger_misconfigured", setting=setting, detail=sentence)

    def _fail(self, error: Exception) -> None:
        first, self._problem = self._problem is None, str(error)
        if not isinstance(error, CallFailed):
            self._problem = f"the ledger failed: {type(error).__name__}: {error}"
        if first:
            self._on_failure()
            # Senders come back after `_RETRY_AFTER`: probe before that.
            self._next_read = self._loop.time() + _PROBE_INTERVAL
            log.error("ledger_unavailable", problem=self._problem)

    def _break(self, problem: str) -> None:
        first, self._problem, self._broken = self._problem is None, problem, True
        self._on_broken()
        if first:
            self._on_failure()
        log.error("ledger_broken", problem=problem)


def _unavailable() -> LedgerUnavailable:
    # Without the problem: it has the server's address, and browsers get this text too.
    return LedgerUnavailable(
        "the shared ledger can't take events now; send them again: those with an id count once",
        retry_after=_RETRY_AFTER,
    )


def _size(batch: Batch) -> int:
    """Approximate bytes of a waiting batch: its key columns, and 90 for each event's objects."""
    return len(batch.keys) + len(batch.fingerprints) + 90 * len(batch)
