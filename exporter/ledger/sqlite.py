"""The ledger in an SQLite file: one writer thread and group commit.

While a transaction is on its way to the disk, arriving batches queue up and share the next one.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import apsw

from exporter.errors import LedgerUnavailable, Refused
from exporter.ledger.contract import Receipt, Status, Totals
from exporter.ledger.files import Replaced
from exporter.ledger.queued import Item, QueuedLedger
from exporter.ledger.recovery import LedgerSettings, Opened, open_ledger
from exporter.ledger.writer import Writer
from exporter.logs import Log

log = Log("exporter.ledger")

LONGEST_WRITE: Final = 10.0
"""Seconds after which a write hangs. A working disk takes milliseconds, an overloaded disk 1 s."""
_TICK: Final = 0.5
"""Seconds between checks that need no event: expiry, first-seen delays, free disk space, hanging writes,
replaced files. An idle exporter notices within a second."""
_SMALL: Final = 64
"""Most events of a batch that takes less time to write than it takes to wake the writer."""

T = TypeVar("T")


class SqliteLedger(QueuedLedger):
    """The contract of `exporter.ledger.contract` on a file; made by `SqliteLedger.open`.

    `on_commit` and `on_failure` are called on the writer's thread.
    """

    def __init__(self, opened: Opened, settings: LedgerSettings, **options: Any) -> None:
        self._inbox: queue.SimpleQueue[list[Item]] = queue.SimpleQueue()
        self._outgoing: list[Item] = []
        super().__init__(**options)
        self._folder, self._monotonic = settings.folder, settings.monotonic
        self._files = opened.files
        # When the writer began its present work; None while it waits for batches.
        self._began: float | None = None
        self._hung: str | None = None
        self._ended = asyncio.Event()
        self._writer = Writer(opened, settings, self._committed)
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._housekeep()
        self._thread.start()
        self._watch = self._loop.call_later(_TICK, self._watch_writer)

    @classmethod
    async def open(cls, settings: LedgerSettings, **options: Any) -> "SqliteLedger":
        """Read the ledger on another thread; raises as `open_ledger`."""
        opened = await asyncio.get_running_loop().run_in_executor(None, open_ledger, settings)
        return cls(opened, settings, **options)

    # --- on the event loop ---------------------------------------------------------------------

    def totals(self) -> Totals:
        return self._writer.totals()

    def status(self) -> Status:
        stopped = self._closing and not self._broken
        return replace(
            self._writer.status(),
            problem="shutting down" if stopped else self._hang() or self._problem,
            alive=self._closing or self._thread.is_alive(),
            queue_events=self._events,
        )

    async def close(self) -> None:
        if not self._closing:
            self._flush()
            self._send_outgoing()
            self._closing = True
            self._inbox.put([])
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _TICK)
                break
            if hang := self._hang():
                # A thread that waits for the disk can't be ended: the process ends without it.
                self._refuse_waiting(hang)
                if not self._broken:
                    self._break(TimeoutError(hang))
                    # `on_broken` must run before `close` returns.
                    await asyncio.sleep(0)
                break
        self._watch.cancel()

    def _send(self, item: Item) -> None:
        """Send small batches together after this turn of the event loop, and a large batch at once."""
        self._outgoing.append(item)
        if len(item[0]) > _SMALL:
            self._send_outgoing()
        elif len(self._outgoing) == 1:
            self._loop.call_soon(self._send_outgoing)

    def _send_outgoing(self) -> None:
        """Wake the writer once for all these batches: awake, it takes the interpreter lock from the loop."""
        if self._outgoing:
            self._inbox.put(self._outgoing)
            self._outgoing = []

    def _refusal(self) -> Refused | None:
        problem = self._problem if self._broken else self._hang()
        if problem is None:
            return None
        return _unavailable(problem)

    def _hang(self) -> str | None:
        """The problem when the writer has worked for too long."""
        began = self._began
        if began is None or time.monotonic() - began <= LONGEST_WRITE:
            return None
        return f"the disk of {self._folder} hangs: a write takes more than {LONGEST_WRITE:g} s"

    def _watch_writer(self) -> None:
        """Refuse waiting batches while a write hangs, and log when a hang begins and ends."""
        self._watch = self._loop.call_later(_TICK, self._watch_writer)
        before, self._hung = self._hung, self._hang()
        if self._hung:
            self._refuse_waiting(self._hung)
            if not before:
                log.error("ledger_unavailable", problem=self._hung)
        elif before:
            log.info("ledger_recovered", problem=before)

    def _refuse_waiting(self, hang: str) -> None:
        """Answer the batches that wait for a hanging write: their senders would wait without bound."""
        items = [(batch, answered) for answered, batch in self._waiting.items()]
        self._answer(items, [_unavailable(hang) for _ in items])

    # --- on the writer's thread ----------------------------------------------------------------

    def _run(self) -> None:
        tick = self._monotonic() + _TICK
        while True:
            # `_closing` is read before the queue: every batch is in the queue before `_closing` is set.
            closing = self._closing
            items = self._collect(0 if closing else max(0, tick - self._monotonic()))
            self._began = time.monotonic()
            if items:
                self._commit(items)
            elif closing:
                break
            if self._monotonic() >= tick:
                tick = self._monotonic() + _TICK
                self._housekeep()
            self._began = None
        try:
            # Closing a database deletes its WAL by name, which may be that of another process.
            self._files.check()
        except Replaced as error:
            if not self._broken:
                self._break(error)
        self._writer.close(broken=self._broken)
        self._call(self._ended.set)

    def _collect(self, timeout: float) -> list[Item]:
        """The batches of the next group. Waits for a batch when none has arrived."""
        with suppress(queue.Empty):
            self._arrived += self._inbox.get(timeout=0 if self._arrived else timeout)
            while True:
                self._arrived += self._inbox.get_nowait()
        return self._next_group()

    def _commit(self, items: Sequence[Item]) -> None:
        receipts = self._attempt(lambda: self._writer.commit([batch for batch, _ in items]))
        answers: Sequence[Receipt | Refused]
        answers = receipts or [_unavailable(self._problem) for _ in items]
        self._call(lambda: self._answer(items, answers))

    def _housekeep(self) -> None:
        self._attempt(lambda: self._writer.housekeep(after_failure=self._problem is not None))

    def _attempt(self, write: Callable[[], T]) -> T | None:
        """The result of a write, or None when it failed or the ledger is broken."""
        if self._broken:
            return None
        try:
            return write()
        except apsw.FullError:
            first, self._problem = self._problem is None, f"the disk of {self._folder} is full"
            self._on_failure()
            if first:
                log.error("ledger_unavailable", problem=self._problem)
        except Exception as error:
            # Any error: if it ended the thread, senders would wait for ever.
            self._break(error)
        return None

    def _committed(self, seconds: float) -> None:
        self._on_commit(seconds)
        problem = self._problem
        if problem and not self._broken:
            self._problem = None
            log.info("ledger_recovered", problem=problem)

    def _break(self, error: Exception) -> None:
        """Refuse everything from now on: the memory may not agree with the disk."""
        subject = (
            "the ledger's disk failed" if isinstance(error, apsw.Error) else "the ledger failed"
        )
        detail = str(error) if isinstance(error, Replaced) else f"{type(error).__name__}: {error}"
        # The state comes before the log line, which may fail.
        self._problem, self._broken = f"{subject}: {detail}", True
        self._call(self._on_broken)
        self._on_failure()
        log.error("ledger_broken", problem=self._problem)

    def _call(self, function: Callable[[], None]) -> None:
        # The loop is closed when a process ends without `close`.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)


def _unavailable(problem: str | None) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"{problem}; send the events again: an event with an id is counted once", retry_after=5
    )
