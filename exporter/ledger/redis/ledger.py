"""The shared ledger: each replica commits groups of batches, with one script call per shard and group.

It differs from the ledger in a file in these points of the contract:

**Atomic.** A batch is split by shard, and each shard's part is counted whole or not at all. When a part
may have failed, the batch gets `LedgerUnavailable`. Sent again, its events with a key are counted once
(events that were counted are duplicates); events without a key may be counted again.

**Durable** depends on Redis: `appendfsync always` survives a power cut, `everysec` may lose a second, and
a failover may lose writes that the Redis replica had not received. `wait` reduces that loss. While a replica
runs, `Status.lost_events` counts the loss, and exported totals stay unchanged until the counts reach them
again.

**Repeats.** Each replica remembers the users of its own commits. In a group of events, an event is a repeat
of an earlier event even when the earlier event is a duplicate or fails.

**Shared.** `totals` shows this replica's events before their receipts, and other replicas' events about a
second later. Ids expire by their age alone, by Redis' clock.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from exporter.errors import LedgerUnavailable, Refused
from exporter.ledger.contract import Batch, Receipt, Status, Totals
from exporter.ledger.queued import Item, QueuedLedger
from exporter.ledger.redis.connection import CallFailed, Info, RedisSettings, misconfigured
from exporter.ledger.redis.group import Group
from exporter.ledger.redis.replica import READ_INTERVAL, Replica
from exporter.logs import Log

log = Log("exporter.ledger")

_PROBE_INTERVAL: Final = 0.25
"""Seconds between reads while Redis takes no writes."""
HEALTH_INTERVAL: Final = 60.0
"""Seconds between checks of Redis' configuration."""
_RETRY_AFTER: Final = 2
"""Seconds that senders are asked to wait: a Cluster's failover takes at least that long."""


class RedisLedger(QueuedLedger):
    """The contract of `exporter.ledger.contract` in Redis or Valkey; made by `RedisLedger.open`.

    `on_broken` is called when Redis was emptied or has another ledger.
    """

    def __init__(self, replica: Replica, infos: Sequence[Info], **options: Any) -> None:
        super().__init__(**options)
        self._replica = replica
        self._spare = self._size = 0
        self._misconfigured: dict[str, str] = {}
        self._awake = asyncio.Event()
        self._next_read: float | None = self._loop.time() + READ_INTERVAL
        self._next_check = self._loop.time() + HEALTH_INTERVAL
        self._check(infos)
        self._task = self._loop.create_task(self._run())

    @classmethod
    async def open(cls, settings: RedisSettings, **options: Any) -> "RedisLedger":
        """Join the ledger; raises as `Replica.join`."""
        replica = Replica(settings)
        return cls(replica, await replica.join(), **options)

    def totals(self) -> Totals:
        replica = self._replica
        return Totals(replica.ledger, replica.totals.series(), replica.totals.durations())

    def status(self) -> Status:
        return Status(
            problem="shutting down" if self._closing and not self._broken else self._problem,
            alive=self._closing or not self._task.done(),
            queue_events=self._events,
            size_bytes=self._size,
            lost_events=sum(self._replica.lost.values()),
            misconfigured=self._misconfigured,
        )

    async def close(self) -> None:
        self._closing = True
        self._flush()
        self._awake.set()
        # A second call of `close` that is cancelled must not cancel the first.
        await asyncio.shield(self._task)

    def _refusal(self) -> Refused | None:
        return None if self._problem is None else _unavailable()

    def _send(self, item: Item) -> None:
        self._arrived.append(item)
        self._awake.set()

    # --- the task that talks to Redis ------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while self._arrived or not self._closing:
                if not self._arrived:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(self._next_read):
                            await self._awake.wait()
                    self._awake.clear()
                if self._arrived:
                    await self._commit(self._next_group())
                now = self._loop.time()
                if self._next_read is not None and now >= self._next_read and not self._closing:
                    self._next_read = await self._housekeep(now)
        finally:
            await self._replica.client.close()

    async def _commit(self, items: Sequence[Item]) -> None:
        receipts: list[Receipt | None] = [None] * len(items)
        if self._problem is None:
            try:
                receipts = await self._count([batch for batch, _ in items])
            except Exception as error:
                # Any error: if it ended this task, senders would wait for ever.
                self._fail(error)
        self._answer(items, [receipt or _unavailable() for receipt in receipts])

    async def _count(self, batches: Sequence[Batch]) -> list[Receipt | None]:
        """Write the batches, then show them. Returns receipts, None for a batch with a failed part."""
        shards = self._replica.settings.shards
        self._spare = (self._spare + 1) % shards
        group = Group(batches, shards, self._spare, self._replica.recent)
        began = time.perf_counter()
        problem = await self._replica.count(group)
        if problem is not None:
            self._fail(problem)
        elif group.events.series:
            self._on_commit(time.perf_counter() - began)
        return group.receipts()

    async def _housekeep(self, now: float) -> float | None:
        """Read other replicas' counts, and check whether Redis takes writes again.

        Returns the time of the next call, None for never.
        """
        replica = self._replica
        try:
            if self._problem is not None:
                await replica.probe()
            await replica.read()
            # After `read`, which finds losses: `note_losses` would write them into another ledger.
            ledger = await replica.stored_ledger()
            if ledger != replica.ledger:
                state = f"has become {ledger}" if ledger else "is gone: Redis was emptied"
                self._break(f"the shared ledger {replica.ledger} {state}")
                return None
            await replica.note_losses()
            if now >= self._next_check:
                self._next_check = now + HEALTH_INTERVAL
                self._check(await replica.client.infos())
        except Exception as error:
            self._fail(error)
            return self._loop.time() + _PROBE_INTERVAL
        if self._problem is not None:
            problem, self._problem = self._problem, None
            log.info("ledger_recovered", problem=problem)
        return self._loop.time() + READ_INTERVAL

    def _check(self, infos: Sequence[Info]) -> None:
        """Log each misconfiguration once."""
        before, self._misconfigured = self._misconfigured, misconfigured(infos)
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
        "the shared ledger can't take events now; send them again: an event with an id is counted once",
        retry_after=_RETRY_AFTER,
    )
