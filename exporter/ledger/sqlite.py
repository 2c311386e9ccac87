"""The embedded ledger: one writer thread, group commit, one SQLite file.

While one transaction is on its way to the disk, arriving batches queue up and share the next. A
receipt is given only while the ledger's paths lead to the files that are open.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import apsw
import msgspec

from exporter.errors import LedgerUnavailable, QueueFull, Refused, ShuttingDown
from exporter.ledger.coalescing import LONGEST_WAIT, Coalescer
from exporter.ledger.contract import KEY_BYTES, Batch, Receipt, Status, Totals
from exporter.ledger.group import Group
from exporter.ledger.identity import Replaced
from exporter.ledger.recovery import Opened, Plan, open_ledger
from exporter.ledger.segments import Run
from exporter.ledger.store import Ids
from exporter.ledger.totals import Changes
from exporter.logs import Log

log = Log("exporter.ledger")

GROUP_EVENTS: Final = 4096
"""A transaction takes no further batch once it has as many events: it bounds a single event's wait."""
LONGEST_WRITE: Final = 10.0
"""Seconds after which a write that is under way counts as hanging: a frozen or unreachable disk. A disk that
works takes milliseconds, and a second when it is overloaded."""
_TICK: Final = 0.5
"""Seconds between checks that need no event: expiry, first-seen delays, free disk space, hanging writes,
replaced files. An idle exporter notices within a second."""

_Item = tuple[Batch, "asyncio.Future[Receipt]"]


def _nothing(_: float = 0.0) -> None:
    """For callers that don't watch."""


class SqliteLedger:
    """The contract of `exporter.ledger.contract` on a file; made by `SqliteLedger.open`.

    `on_commit` gets each transaction's seconds, `on_failure` is called per failed one (both on the
    writer's thread), `on_broken` once, on the loop, when only a restart helps.
    """

    def __init__(
        self,
        opened: Opened,
        plan: Plan,
        *,
        first_seen_delay: float = 75.0,
        queue_events: int = 200_000,
        queue_bytes: int = 64 * 1024**2,
        longest_wait: float = LONGEST_WAIT,
        longest_write: float = LONGEST_WRITE,
        monotonic: Callable[[], float] = time.monotonic,
        on_commit: Callable[[float], None] = _nothing,
        on_failure: Callable[[], None] = _nothing,
        on_broken: Callable[[], None] = _nothing,
    ) -> None:
        self._opened = opened
        self._plan = plan
        self._first_seen_delay = first_seen_delay
        self._bounds = (queue_events, queue_bytes)
        # The last batch of a group may go beyond it, and the window must have room for both.
        self._group = min(GROUP_EVENTS, opened.window.size // 2)
        self._monotonic = monotonic
        self._on_commit, self._on_failure, self._on_broken = on_commit, on_failure, on_broken
        self._meta = opened.meta
        self._started, self._age = monotonic(), opened.meta.age
        # The last process may have ended before a delayed series was scraped as 0: its delay starts again.
        self._delay_ends = {
            total.series: self._started + first_seen_delay for total in opened.totals.delayed()
        }
        self._problem: str | None = None
        self._broken = self._closing = False
        self._events = self._bytes = self._size = 0
        self._inbox: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._waiting: dict[asyncio.Future[Receipt], Batch] = {}
        self._longest_write = longest_write
        # When the writer began what it does now; None while it waits for batches.
        self._began: float | None = None
        self._hung: str | None = None
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._coalescer = Coalescer(self._loop, self._inbox.put, longest_wait)
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._housekeep(self._started)
        self._thread.start()
        self._watch = self._loop.call_later(_TICK, self._look)

    @classmethod
    async def open(cls, plan: Plan, **options: object) -> "SqliteLedger":
        """Read the ledger back on a thread of its own; raises as `open_ledger`."""
        opened = await asyncio.get_running_loop().run_in_executor(None, open_ledger, plan)
        return cls(opened, plan, **options)  # type: ignore[arg-type]

    # --- the event loop's side -----------------------------------------------------------------

    async def commit(self, batch: Batch) -> Receipt:
        if len(batch.keys) // KEY_BYTES > self._opened.window.size - self._group:
            raise ValueError(f"{len(batch)} events in a batch are more than the window can hold")
        if self._closing:
            raise ShuttingDown("the exporter is shutting down; send the events again")
        if self._broken:
            raise LedgerUnavailable(f"{self._problem}; send the events again", retry_after=5)
        if hang := self._hang():
            raise LedgerUnavailable(f"{hang}; send the events again", retry_after=5)
        size = _size(batch)
        # A single batch larger than the queue is still taken when the queue is empty.
        if self._events and (
            self._events + len(batch) > self._bounds[0] or self._bytes + size > self._bounds[1]
        ):
            raise QueueFull(
                f"{self._events} events are waiting for the disk; send the events again",
                retry_after=1,
            )
        self._events += len(batch)
        self._bytes += size
        future: asyncio.Future[Receipt] = self._loop.create_future()
        self._waiting[future] = batch
        self._coalescer.add((batch, future), deferrable=batch.deferrable)
        return await future

    def totals(self) -> Totals:
        totals = self._opened.totals
        return Totals(self._meta.ledger, totals.series(), totals.durations())

    def status(self) -> Status:
        now = self._now()
        meta = self._meta
        return Status(
            problem=(
                "shutting down"
                if self._closing and not self._broken
                else self._hang() or self._problem
            ),
            alive=self._closing or self._thread.is_alive(),
            damaged=str(self._opened.moved_to) if self._opened.moved_to else None,
            damaged_at=meta.damaged_at,
            queue_events=self._events,
            queue_bytes=self._bytes,
            window_ids=len(self._opened.window),
            window_capacity=self._plan.ids,
            window_span=self._opened.segments.span(now),
            window_expired=dict(self._opened.segments.expired),
            size_bytes=self._size,
        )

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._coalescer.flush()
            self._inbox.put(None)
        while not await self._has_ended():
            if hang := self._hang():
                # Nobody can end a thread that waits for the disk; the process ends without it.
                self._refuse_waiting(hang)
                if not self._broken:
                    self._break(TimeoutError(hang))
                    # `on_broken` is called before `close` returns.
                    await asyncio.sleep(0)
                break
        self._watch.cancel()

    async def _has_ended(self) -> bool:
        """Whether the writer's thread has ended, or does within a tick."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _TICK)
        return self._ended.is_set()

    def _answer(self, answers: Sequence[tuple[_Item, Receipt | Refused]]) -> None:
        for (_, future), answer in answers:
            batch = self._waiting.pop(future, None)
            if batch is None:
                continue
            self._events -= len(batch)
            self._bytes -= _size(batch)
            if future.done():
                continue
            if isinstance(answer, Receipt):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    def _hang(self) -> str | None:
        """What is wrong when the writer has been at the disk for too long."""
        began = self._began
        if began is None or time.monotonic() - began <= self._longest_write:
            return None
        return (
            f"the disk of {self._plan.folder} hangs: a write has been under way for more than "
            f"{self._longest_write:g} s"
        )

    def _look(self) -> None:
        """Notice that a write hangs, or that one came back, without waiting for the writer."""
        self._watch = self._loop.call_later(_TICK, self._look)
        before, self._hung = self._hung, self._hang()
        if self._hung:
            self._refuse_waiting(self._hung)
        if self._hung and not before:
            log.error("ledger_unavailable", problem=self._hung)
        elif before and not self._hung:
            log.info("ledger_recovered", problem=before)

    def _refuse_waiting(self, hang: str) -> None:
        """Answer the batches that wait for a write that hangs: senders would wait without bound."""
        detail = (
            f"{hang}; nobody knows yet whether the events are counted. Send them again: an event with an id "
            "is counted once"
        )
        waiting = [(batch, future) for future, batch in self._waiting.items()]
        self._answer([(item, LedgerUnavailable(detail, retry_after=5)) for item in waiting])

    # --- the writer's side ---------------------------------------------------------------------

    def _run(self) -> None:
        tick = self._monotonic() + _TICK
        going = True
        while going:
            items, going = self._collect(max(0.0, tick - self._monotonic()))
            self._began = time.monotonic()
            if items:
                self._commit(items)
            now = self._monotonic()
            if now >= tick and going:
                tick = now + _TICK
                self._housekeep(now)
            self._began = None
        self._began = time.monotonic()
        self._finish()
        self._call(self._ended.set)

    def _collect(self, timeout: float) -> tuple[list[_Item], bool]:
        """The batches of the next group, and whether to go on after it."""
        items: list[_Item] = []
        events = 0
        try:
            item = self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
            while item is not None:
                batch, future = item
                # Answered when a write hung: its events are sent again, and those without an id would be
                # counted twice. Events of a sender that only went away are counted.
                if not future.done() or future.cancelled():
                    items.append(item)
                    events += len(batch)
                if events >= self._group:
                    return items, True
                item = self._inbox.get_nowait()
        except queue.Empty:
            return items, True
        return items, False

    def _commit(self, items: Sequence[_Item]) -> None:
        answers: list[Receipt] | None = None
        if not self._broken:
            try:
                group = Group([batch for batch, _ in items], self._opened.window)
                answers = self._attempt(group)
            except Exception as error:
                # Whatever it is: a writer that dies of it leaves its senders waiting for ever.
                self._break(error)
        if answers is not None:
            pairs: list[tuple[_Item, Receipt | Refused]] = list(zip(items, answers, strict=True))
        else:
            detail = f"{self._problem}; nothing was counted, send the events again"
            if self._broken:
                detail = f"{self._problem}; send the events again once the exporter is back"
            pairs = [(item, LedgerUnavailable(detail, retry_after=5)) for item in items]
        self._call(lambda: self._answer(pairs))

    def _attempt(self, group: Group) -> list[Receipt] | None:
        """Durable, then published, then the receipts; None when it failed."""
        now = self._plan.wall()
        series = group.series()
        changes = self._opened.totals.change(series, group.durations(), group.sessions(), now)
        if not changes.series:
            # Only duplicates: their first copies are durable already, because groups are in order.
            self._opened.files.check()
            return group.receipts()
        ids = Ids(
            self._meta.commit + 1, self._now(), group.keys.tobytes(), group.fingerprints.tobytes()
        )
        if not self._write(changes, ids, now):
            return None
        if ids.count:
            self._opened.window.add(group.keys, group.fingerprints)
            self._opened.segments.append(ids.number, ids.count, ids.age)
        due = self._monotonic() + self._first_seen_delay
        for total in changes.series:
            if total.delayed:
                self._delay_ends.setdefault(total.series, due)
        return group.receipts()

    def _write(self, changes: Changes, ids: Ids | None, now: float) -> bool:
        """One transaction and what follows from its success; False when the disk is full and nothing
        was written. What else it raises breaks the ledger."""
        segments = self._opened.segments
        incoming = ids.count if ids else 0
        expiry = segments.due(self._now(), incoming)
        run = segments.run()
        if run and run.first <= expiry.number:
            run = None
        meta = msgspec.structs.replace(self._meta, commit=self._meta.commit + 1, age=self._now())
        began = time.perf_counter()
        try:
            self._opened.store.write(
                meta,
                changes,
                self._plan.label_names,
                ids if incoming else None,
                now,
                expiry.number,
                (run.first, self._together(run)) if run else None,
            )
        except apsw.FullError:
            self._fail(f"the disk of {self._plan.folder} is full")
            return False
        self._opened.files.check()
        self._on_commit(time.perf_counter() - began)
        self._opened.marker.write(meta.commit)
        before, self._problem, self._meta = self._problem, None, meta
        if run:
            segments.merge(run)
        segments.drop(expiry, self._opened.window)
        self._opened.totals.publish(changes)
        if before:
            log.info("ledger_recovered", problem=before)
        return True

    def _together(self, run: Run) -> Ids:
        """The run's ids: the newest in the window, which the present group is not in yet."""
        return Ids(run.last, run.age, *self._opened.window.latest(run.count))

    def _housekeep(self, now: float) -> None:
        """What is due without events; an empty transaction when the last one failed, to see whether the
        disk takes one again."""
        if self._broken:
            return
        try:
            self._opened.files.check()
            if not self._problem or self._opened.has_room():
                self._write_due(now)
            self._size = self._opened.store.size()
        except Exception as error:
            self._break(error)

    def _write_due(self, now: float) -> None:
        totals, plan = self._opened.totals, self._plan
        wall = plan.wall()
        changes = totals.missing(plan.zero, plan.zero_durations, wall)
        due = {series for series, at in self._delay_ends.items() if now >= at}
        revealed = totals.end_delays(
            [total for total in totals.delayed() if total.series in due] if due else []
        )
        changes.series.extend(revealed.series)
        expiring = self._opened.segments.due(self._now(), 0).number
        if (self._problem or changes.series or changes.durations or expiring) and self._write(
            changes, None, wall
        ):
            for series in due:
                del self._delay_ends[series]

    def _finish(self) -> None:
        store = self._opened.store
        try:
            # A store that is closed deletes its WAL by name: that of another process, if the path leads to
            # one.
            self._opened.files.check()
        except Replaced as error:
            if not self._broken:
                self._break(error)
        try:
            if self._broken:
                # What the WAL holds is for the next start to judge, from the disk.
                store.abandon()
            else:
                store.checkpoint()
        except apsw.Error as error:
            log.warning("ledger_checkpoint_failed", error=str(error))
        try:
            self._opened.close()
        except apsw.Error as error:
            log.warning("ledger_close_failed", error=str(error))

    def _fail(self, problem: str) -> None:
        first, self._problem = self._problem is None, problem
        self._on_failure()
        if first:
            log.error("ledger_unavailable", problem=problem)

    def _break(self, error: Exception) -> None:
        """After an error of the disk SQLite may or may not have written the transaction ("ghost
        commit"): nothing is answered from memory any more."""
        what = "the ledger's disk failed" if isinstance(error, apsw.Error) else "the ledger failed"
        problem = f"{what}: {type(error).__name__}: {error}"
        self._problem, self._broken = problem, True
        self._call(self._on_broken)
        self._on_failure()
        log.error("ledger_broken", problem=problem)

    def _call(self, function: Callable[[], None]) -> None:
        # The loop may be closed already when a process ends without `close`.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def _now(self) -> float:
        """The ledger's own clock, seconds: it stands still between processes."""
        return self._age + self._monotonic() - self._started


def _size(batch: Batch) -> int:
    """Bytes a waiting batch takes, about: its key columns and some ninety for each event's objects."""
    return len(batch.keys) + len(batch.fingerprints) + 90 * len(batch)
