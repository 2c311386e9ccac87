"""Batches of events, posted until each event has an answer: split, retried, or given up."""

import gzip
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from exporter.send.connection import Connection, Response, Undelivered
from exporter.send.events import Event
from exporter.send.options import Options
from exporter.send.report import Report
from exporter.send.rotation import Checkpoint

_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds. The backoff has full jitter, so that senders that failed together do not come back together
(M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015)."""


@dataclass
class Clock:
    """Time and random numbers, replaced in tests."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass
class Delivery:
    """Sends events in order, one request at a time, and counts the results in `report`."""

    connection: Connection
    options: Options
    report: Report
    clock: Clock = field(default_factory=Clock)
    progress: Callable[[], None] = lambda: None  # after each response and before each wait
    note: Callable[[str], None] = lambda _: None  # when a request first fails
    save: Callable[[Checkpoint], None] = lambda _: None  # events before it need not be sent again
    _batch: list[Event] = field(default_factory=list)

    def deliver(self, events: Iterable[Event]) -> None:
        """Posts all events. Raises `Undelivered`; earlier results stay in the report."""
        size = 0
        for event in events:
            added = len(event.body) + 1
            full = size + added > self.options.max_bytes
            if self._batch and (full or event.cloudevent != self._batch[0].cloudevent):
                self.flush()
            size = size + added if self._batch else added
            self._batch.append(event)
            if len(self._batch) == self.options.batch:
                self.flush()
        self.flush()

    def flush(self) -> None:
        """Posts the events that were read until now."""
        if self._batch:
            batch, self._batch = self._batch, []
            self._deliver(batch)
            if checkpoint := batch[-1].checkpoint:
                self.save(checkpoint)

    def _deliver(self, batch: Sequence[Event]) -> None:
        """Posts a batch; if it is too large for the exporter, its halves."""
        try:
            response = self._post(batch)
            half = len(batch) // 2
            if response.status != 413:
                accepted, duplicates, rejected = response.result(len(batch))
                self.report.accepted += accepted
                self.report.duplicates += duplicates
                for index, message in sorted(rejected.items()):
                    self.report.reject(batch[index].place, message)
                self.report.warn(response.warnings())
            elif not half:
                self.report.reject(batch[0].place, response.problem)
        except Undelivered as error:
            where = f"The first event that was not delivered is {batch[0].place}."
            raise Undelivered(f"{error}\n{self.report.advice} {where}") from None
        self.progress()
        if response.status == 413 and half:
            self._deliver(batch[:half])
            self._deliver(batch[half:])

    def _post(self, batch: Sequence[Event]) -> Response:
        """The first response that is final, within `max_wait` of the first attempt."""
        # Retries send the same bytes: events that were counted already are duplicates.
        media, text = "application/x-ndjson", b"".join(event.body + b"\n" for event in batch)
        if batch[0].cloudevent:
            media = "application/cloudevents-batch+json"
            text = b"[" + b",".join(event.body for event in batch) + b"]"
        body = gzip.compress(text, mtime=0)
        deadline = self.clock.monotonic() + self.options.max_wait
        backoff = _FIRST_WAIT
        while (response := self.connection.post(body, media)).retryable:
            remaining = deadline - self.clock.monotonic()
            if remaining <= 0:
                gave_up = f"Gave up after {self.options.max_wait:g} s."
                raise Undelivered(f"{response.problem}\n{gave_up}")
            if backoff == _FIRST_WAIT:
                limit = "" if remaining == math.inf else f" for up to {self.options.max_wait:g} s"
                self.note(f"{response.problem}. Retrying{limit}")
            self.report.retries += 1
            self.progress()
            wait = min(response.retry_after, _LONGEST_RETRY_AFTER) + self.clock.uniform(0, backoff)
            self.clock.sleep(min(remaining, wait))
            backoff = min(_LONGEST_WAIT, 2 * backoff)
        return response
