"""The part that all ledgers share: a bounded queue of batches, commit coalescing, and answers to callers."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, TypeVar

from exporter.errors import QueueFull, Refused, ShuttingDown
from exporter.ledger.contract import Answered, Batch, Receipt
from exporter.logs import Log

log = Log("exporter.ledger")

LONGEST_WAIT: Final = 0.05
"""Seconds that a deferrable batch waits: deferrable batches alone cause at most 20 commits a second."""
GROUP_EVENTS: Final = 4096
"""A group takes no further batch once it has this many events: it bounds the wait of a single event."""

T = TypeVar("T")
Item = tuple[Batch, Answered]


class QueuedLedger(ABC):
    """Passes batches to `_send` in their order; a deferrable batch waits for the next other batch.

    `on_commit` gets the seconds of each commit and `on_failure` is called for each failure. `on_broken` is
    called once, on the loop, when only a restart helps.
    """

    def __init__(
        self,
        *,
        queue_events: int = 200_000,
        on_commit: Callable[[float], None] = lambda _: None,
        on_failure: Callable[[], None] = lambda: None,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        self._max_events = queue_events
        self._on_commit, self._on_failure, self._on_broken = on_commit, on_failure, on_broken
        self._loop = asyncio.get_running_loop()
        self._problem: str | None = None
        self._broken = self._closing = False
        self._events = 0
        self._waiting: dict[Answered, Batch] = {}
        self._deferred: list[Item] = []
        self._arrived: deque[Item] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def commit(self, batch: Batch) -> Receipt:
        future: asyncio.Future[Receipt] = self._loop.create_future()

        def answered(answer: Receipt | Refused) -> None:
            if future.done():
                # The task that awaits it was cancelled.
                return
            if isinstance(answer, Receipt):
                future.set_result(answer)
            else:
                future.set_exception(answer)

        self.enqueue(batch, answered)
        return await future

    def enqueue(self, batch: Batch, answered: Answered) -> None:
        if self._closing:
            raise ShuttingDown("the exporter is shutting down; send the events again")
        if refusal := self._refusal():
            raise refusal
        # An empty queue takes a batch of any size.
        if self._events and self._events + len(batch) > self._max_events:
            raise QueueFull(
                f"{self._events} events are waiting for the ledger; send the events again",
                retry_after=1,
            )
        self._events += len(batch)
        self._waiting[answered] = batch
        if batch.deferrable:
            self._deferred.append((batch, answered))
            if self._timer is None:
                self._timer = self._loop.call_later(LONGEST_WAIT, self._flush)
        else:
            if self._deferred:
                self._flush()
            self._send((batch, answered))

    @abstractmethod
    def _send(self, item: Item) -> None:
        """Hand a batch to the implementation, which answers it later."""

    @abstractmethod
    def _refusal(self) -> Refused | None:
        """Why the ledger cannot take batches now."""

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deferred, self._deferred = self._deferred, []
        for item in deferred:
            self._send(item)

    def _next_group(self) -> list[Item]:
        """Take the batches of one group from those that have arrived."""
        items: list[Item] = []
        events = 0
        while self._arrived and events < GROUP_EVENTS:
            batch, answered = self._arrived.popleft()
            # The sender repeats a batch that was refused during a hang. Counted now as well, its events
            # without an id would count twice.
            if answered in self._waiting:
                items.append((batch, answered))
                events += len(batch)
        return items

    def _answer(self, items: Sequence[Item], answers: Sequence[Receipt | Refused]) -> None:
        """Take batches off the queue, and answer their callers."""
        for (batch, answered), answer in zip(items, answers, strict=True):
            if self._waiting.pop(answered, None) is None:
                # It was answered before: refused while a write hung.
                continue
            self._events -= len(batch)
            try:
                answered(answer)
            except Exception:
                # The other callers must get their answers.
                log.error("defect", exc_info=True)


def joined(batches: Sequence[Batch]) -> Batch:
    """The events of all batches. In it, events without a key may precede events with a key."""
    return Batch(
        list(chain.from_iterable([batch.series for batch in batches])),
        b"".join([batch.keys for batch in batches]),
        b"".join([batch.fingerprints for batch in batches]),
        _column(batches, [batch.durations for batch in batches]),
        _column(batches, [batch.sessions for batch in batches]),
        _column(batches, [batch.users for batch in batches]),
    )


def _column(
    batches: Sequence[Batch], columns: Sequence[Sequence[T | None] | None]
) -> list[T | None] | None:
    """A column of all batches; None when no batch has it."""
    if columns.count(None) == len(columns):
        return None
    pairs = zip(columns, batches, strict=True)
    return list(chain.from_iterable([values or [None] * len(batch) for values, batch in pairs]))


def receipts(batches: Sequence[Batch], verdicts: bytes) -> list[Receipt]:
    """The receipt of each batch; `verdicts` has a byte for each event, or none when all were accepted."""
    if not verdicts:
        return [Receipt(len(batch)) for batch in batches]
    answers, start = [], 0
    for batch in batches:
        part = verdicts[start : start + len(batch)]
        answers.append(Receipt(len(batch), part if part.strip(b"\0") else None))
        start += len(batch)
    return answers
