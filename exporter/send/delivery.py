"""Batches of events, posted until each event is answered: split, retried, or given up."""

import gzip
import http.client
import random
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from exporter.send.answers import (
    Undelivered,
    problem,
    retry_after,
    settled,
    to_be_retried,
    too_large,
)
from exporter.send.connection import Answer
from exporter.send.events import Event
from exporter.send.options import Options
from exporter.send.report import Report

_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds. Backoff with full jitter: uniform(0, min(longest, first · 2ⁿ)), after M. Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog 2015: senders that failed together do not
come back together. A Retry-After is waited for, plus up to `_FIRST_WAIT` for the same reason."""


class Poster(Protocol):
    """What posts a gzip body: `Connection`, or a test's stand-in."""

    def post(self, body: bytes, *, timeout: float) -> Answer: ...


class Clock:
    """Time and chance, handed in so that tests wait for nothing."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.monotonic, self.wall, self.sleep, self.uniform = monotonic, wall, sleep, uniform


class Delivery:
    """Sends events in order, one request at a time, and writes the outcome into `report`.

    Not thread-safe. `progress` is called after every answer and before every wait, `note` with a
    line for people when a request fails for the first time.
    """

    def __init__(
        self,
        connection: Poster,
        options: Options,
        report: Report,
        *,
        clock: Clock,
        progress: Callable[[], None],
        note: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._options = options
        self._report = report
        self._clock = clock
        self._progress = progress
        self._note = note
        self._most = options.batch

    def deliver(self, events: Iterable[Event]) -> None:
        """Posts them all. Raises `Undelivered`; what was answered before stays in the report."""
        batch: list[Event] = []
        size = 0
        for event in events:
            more = len(event.body) + 1
            if batch and (len(batch) >= self._most or size + more > self._options.max_bytes):
                self._settle(batch)
                batch, size = [], 0
            batch.append(event)
            size += more
        if batch:
            self._settle(batch)

    def _settle(self, batch: Sequence[Event]) -> None:
        """Posts a batch, in halves of halves where it is too large for the server."""
        left, largest = [batch], 0
        while left:
            piece = left.pop()
            answer = self._posted(piece)
            if not too_large(answer):
                self._record(piece, answer)
                largest = max(largest, len(piece))
            elif len(piece) == 1:
                self._report.reject(piece[0].place, f"413: {problem(answer)}")
                self._progress()
            else:
                half = len(piece) // 2
                left += [piece[half:], piece[:half]]
        if 0 < largest < len(batch):
            # Later batches start at what was taken; one huge event must not make them all small.
            self._most = largest

    def _record(self, piece: Sequence[Event], answer: Answer) -> None:
        try:
            found = settled(answer, len(piece))
        except Undelivered as error:
            raise self._given_up(piece[0], str(error)) from None
        self._report.accepted += found.accepted
        self._report.duplicates += found.duplicates
        for index, message in found.rejected:
            self._report.reject(piece[index].place, message)
        self._progress()

    def _posted(self, piece: Sequence[Event]) -> Answer:
        """The first answer that settles anything, within `max_wait` of the first attempt."""
        body = gzip.compress(b"".join(event.body + b"\n" for event in piece), mtime=0)
        deadline = self._clock.monotonic() + self._options.max_wait
        failures = 0
        while True:
            asked: float | None = None
            left = deadline - self._clock.monotonic()
            try:
                timeout = min(self._options.timeout, max(left, 1.0))
                answer = self._connection.post(body, timeout=timeout)
                if not to_be_retried(answer):
                    return answer
                asked = retry_after(answer, self._clock.wall)
                trouble = f"{answer.status}: {problem(answer)}"
            except ssl.SSLCertVerificationError as error:
                raise self._given_up(
                    piece[0], f"the server's certificate: {error.verify_message}; --ca-file?"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                trouble = _named(error)
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise self._given_up(
                    piece[0], f"{trouble}; gave up after {self._options.max_wait:g} s"
                )
            if failures == 0:
                self._note(f"{trouble}; trying again for up to {self._options.max_wait:g} s")
            self._report.retries += 1
            self._progress()
            self._clock.sleep(min(left, self._wait(failures, asked)))
            failures += 1

    def _wait(self, failures: int, asked: float | None) -> float:
        if asked is not None:
            return min(asked, _LONGEST_RETRY_AFTER) + self._clock.uniform(0, _FIRST_WAIT)
        return self._clock.uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(failures, 20)))

    def _given_up(self, event: Event, trouble: str) -> Undelivered:
        return Undelivered(
            f"{trouble}\n{self._report.acknowledged:,} events were acknowledged; the first that was "
            f"not is {event.place}. {self._report.advice}"
        )


def _named(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
