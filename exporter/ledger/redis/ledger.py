"""The shared ledger: any number of replicas, group commit in each, one script call a shard and tick.

What differs from a file, in the words of the contract:

**Atomic.** A batch is taken apart into shards, and each shard's part is counted whole or not at all. When
some parts were counted and others not, or nobody knows, the batch gets `LedgerUnavailable`: sent again,
its events with a key are counted once (those that had been are duplicates), the others may be counted
again.

**Durable** is what the engine makes of it: `appendfsync always` survives a power cut, `everysec` may lose
a second, and a failover may lose what the replica did not have yet. `wait` narrows that. What was lost
is told by `Status.lost_events`, and totals that were shown stay until they are reached again.

**Shared.** `totals` shows what this replica counted before its receipts, and what others did about a
second later. Ids expire by their age alone, by the engine's clock.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from exporter.errors import LedgerUnavailable, QueueFull, ShuttingDown
from exporter.ledger.coalescing import LONGEST_WAIT, Coalescer
from exporter.ledger.contract import Batch, Receipt, Status, Totals
from exporter.ledger.redis import health
from exporter.ledger.redis.group import Group
from exporter.ledger.redis.link import Unreached
from exporter.ledger.redis.member import Member
from exporter.ledger.redis.opening import infos_of, open_shared
from exporter.ledger.redis.plan import Plan
from exporter.logs import Log

log = Log("exporter.ledger")

GROUP_EVENTS: Final = 4096
"""A tick takes no further batch once it has as many events: it bounds a single event's wait."""
LOOK: Final = 1.0
"""Seconds between looks at what other replicas counted."""
_PROBE: Final = 0.25
"""Seconds between tries while the engine takes no writes."""
_CHECK: Final = 60.0
"""Seconds between looks at how the engine is set up."""
_RETRY_AFTER: Final = 2
"""Seconds that senders are asked to wait: about what the failover of a Cluster takes at least."""

_Item = tuple[Batch, "asyncio.Future[Receipt]"]


def _nothing(_: float = 0.0) -> None:
    """For callers that don't watch."""


class RedisLedger:
    """The contract of `exporter.ledger.contract` in Redis or Valkey; made by `RedisLedger.open`.

    `on_commit` gets each tick's seconds, `on_failure` is called per failed one, `on_broken` once, when
    the store has become another ledger's; all on the loop.
    """

    def __init__(
        self,
        member: Member,
        infos: Sequence[dict[str, str]] = (),
        *,
        queue_events: int = 200_000,
        queue_bytes: int = 64 * 1024**2,
        longest_wait: float = LONGEST_WAIT,
        on_commit: Callable[[float], None] = _nothing,
        on_failure: Callable[[], None] = _nothing,
        on_broken: Callable[[], None] = _nothing,
    ) -> None:
        self._member, self._plan = member, member.plan
        self._bounds = (queue_events, queue_bytes)
        self._on_commit, self._on_failure, self._on_broken = on_commit, on_failure, on_broken
        self._problem: str | None = None
        self._broken = self._closing = False
        self._events = self._bytes = self._spare = 0
        self._wrong: dict[str, str] = {}
        self._size = 0
        self._inbox: deque[_Item] = deque()
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._coalescer = Coalescer(self._loop, self._put, longest_wait)
        self._look_at = self._loop.time() + LOOK
        self._check_at = self._loop.time() + _CHECK
        self._judge(infos)
        self._task = self._loop.create_task(self._run())

    @classmethod
    async def open(cls, plan: Plan, **options: object) -> "RedisLedger":
        """Join the ledger; raises as `open_shared`."""
        return cls(*await open_shared(plan), **options)  # type: ignore[arg-type]

    async def commit(self, batch: Batch) -> Receipt:
        if self._closing:
            raise ShuttingDown("the exporter is shutting down; send the events again")
        if self._problem is not None:
            raise self._unavailable()
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

    def _put(self, item: _Item) -> None:
        self._inbox.append(item)
        self._awake.set()

    def totals(self) -> Totals:
        member = self._member
        series = member.view.totals(member.now(), self._plan.first_seen_delay)
        return Totals(member.ledger, series, member.view.durations())

    def status(self) -> Status:
        return Status(
            problem="shutting down" if self._closing and not self._broken else self._problem,
            alive=self._closing or not self._task.done(),
            queue_events=self._events,
            queue_bytes=self._bytes,
            size_bytes=self._size,
            lost_events=sum(self._member.lost.values()),
            misconfigured=self._wrong,
        )

    async def close(self) -> None:
        self._closing = True
        self._coalescer.flush()
        self._awake.set()
        # Closing twice must not cancel the first.
        await asyncio.shield(self._task)

    # --- the task that talks to the engine -------------------------------------------------------

    async def _run(self) -> None:
        timer = self._loop.call_at(self._look_at, self._awake.set)
        try:
            while self._inbox or not self._closing:
                await self._awake.wait()
                self._awake.clear()
                if items := self._collect():
                    await self._commit(items)
                now = self._loop.time()
                if now >= self._look_at and not self._closing:
                    await self._housekeep(now)
                    timer.cancel()
                    pause = LOOK if self._problem is None else _PROBE
                    self._look_at = self._loop.time() + pause
                    timer = self._loop.call_at(self._look_at, self._awake.set)
                if self._inbox:
                    self._awake.set()
        finally:
            timer.cancel()
            await self._member.leave()

    def _collect(self) -> list[_Item]:
        """The batches of the next group."""
        items: list[_Item] = []
        events = 0
        while self._inbox and events < GROUP_EVENTS:
            items.append(self._inbox.popleft())
            events += len(items[-1][0])
        return items

    async def _commit(self, items: Sequence[_Item]) -> None:
        receipts: list[Receipt | None] = [None] * len(items)
        if self._problem is None:
            try:
                receipts = await self._attempt([batch for batch, _ in items])
            except Exception as error:
                # Whatever it is: a task that dies of it leaves its senders waiting for ever.
                self._fail(f"the ledger failed: {type(error).__name__}: {error}")
        for (batch, future), receipt in zip(items, receipts, strict=True):
            self._events -= len(batch)
            self._bytes -= _size(batch)
            if future.done():
                continue
            if receipt is not None:
                future.set_result(receipt)
            else:
                future.set_exception(self._unavailable())

    async def _attempt(self, batches: Sequence[Batch]) -> list[Receipt | None]:
        """Written, then shown, then the receipts; None for a batch that failed somewhere."""
        self._spare = (self._spare + 1) % self._plan.shards
        group = Group(batches, self._plan.shards, self._spare)
        began = time.perf_counter()
        problem = await self._member.count(group)
        if problem is not None:
            self._fail(problem)
        elif group.events:
            self._on_commit(time.perf_counter() - began)
        return group.receipts()

    async def _housekeep(self, now: float) -> None:
        """What is due without events: what others counted, and whether the engine takes writes again."""
        member = self._member
        try:
            if self._problem is not None:
                await member.probe()
            # Before the marks: they would go to the other ledger.
            there = await member.show_life()
            if there != member.ledger:
                self._break(f"the shared ledger {member.ledger} has become {there}")
                return
            await member.look()
            await member.note_losses()
            if now >= self._check_at:
                self._check_at = now + _CHECK
                self._judge(await infos_of(member.engine))
            member.view.reveal(member.now(), self._plan.first_seen_delay)
        except Unreached as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"the ledger failed: {type(error).__name__}: {error}")
        else:
            if self._problem is not None and not self._broken:
                before, self._problem = self._problem, None
                log.info("ledger_recovered", problem=before)

    def _judge(self, infos: Sequence[dict[str, str]]) -> None:
        """Say what is set up wrong, once."""
        before, self._wrong = self._wrong, health.wrong(infos)
        self._size = health.memory(infos)
        for condition, sentence in self._wrong.items():
            if condition not in before:
                log.warning("ledger_misconfigured", setting=condition, detail=sentence)

    def _unavailable(self) -> LedgerUnavailable:
        return LedgerUnavailable(
            # Not the problem itself: it has the engine's address, and browsers are told this too.
            "the shared ledger can't take events now; send them again: those with an id count once",
            retry_after=_RETRY_AFTER,
        )

    def _fail(self, problem: str) -> None:
        if self._broken:
            return
        first, self._problem = self._problem is None, problem
        if first:
            self._on_failure()
            # The next look may be a second away: senders are told to come back sooner than that and a try.
            self._look_at = min(self._look_at, self._loop.time() + _PROBE)
            self._loop.call_at(self._look_at, self._awake.set)
            log.error("ledger_unavailable", problem=problem)

    def _break(self, problem: str) -> None:
        if self._broken:
            return
        first = self._problem is None
        self._problem, self._broken = problem, True
        self._on_broken()
        if first:
            self._on_failure()
        log.error("ledger_broken", problem=problem)


def _size(batch: Batch) -> int:
    """Bytes a waiting batch takes, about: its key columns and some ninety for each event's objects."""
    return len(batch.keys) + len(batch.fingerprints) + 90 * len(batch)
