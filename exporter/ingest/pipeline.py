"""The way of an event: guard → decode → classify → commit → counted → 200, read from top to bottom."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Any, Final, Protocol

import msgspec

from exporter.errors import NothingValid, Unparseable
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import Decoded, Rejection
from exporter.ingest.guard import Guard, Headers, Receive
from exporter.ingest.media import Media
from exporter.ingest.series import Kind
from exporter.ledger.contract import ACCEPTED, CONFLICT, Family, Ledger, Receipt
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.names import OTHER

log = Log("exporter.ingest")

_LARGE: Final = 16 * 1024
"""Bytes of a body from which on it takes longer to understand than a single event may wait."""
_ONE_ACCEPTED = b'{"accepted":1,"duplicates":0,"rejected":[]}'


class UnknownCodes(Protocol):
    """Where raw codes go that must not become label values."""

    def record(self, system: str, raw_code: str, at: float, count: int) -> None:
        """Note `count` events with an undocumented code, at Unix seconds."""


class Pipeline:
    """Takes requests apart and counts their events; one object a process, handed everything."""

    def __init__(
        self,
        guard: Guard,
        decoder: Decoder,
        classifier: Classifier,
        ledger: Ledger,
        own: OwnMetrics,
        unknown_codes: UnknownCodes,
        label_names: tuple[str, ...] = (),
        *,
        clock: Callable[[], float] = time.time,
        refused: Callable[[str, str], None] = lambda _reason, _message: None,
        debug: bool = False,
    ) -> None:
        self._guard = guard
        self._decoder = decoder
        self._classifier = classifier
        self._ledger = ledger
        self._own = own
        self._unknown_codes = unknown_codes
        self._label_names = label_names
        self._clock = clock
        self._refused = refused
        self._debug = debug
        self._large = asyncio.Lock()

    async def take(
        self, method: str, headers: Headers, client: str, receive: Receive
    ) -> bytes | None:
        """Count a request's events and say what became of them, as the JSON of a 200.

        None when the sender went away before its body was there. Raises a `Refused`, and then nothing
        was counted (after a `LedgerUnavailable` of a broken ledger: only a retry tells).
        """
        media = self._guard.admit(method, headers, client)
        body = await self._guard.read(headers, receive)
        if body is None:
            return None
        if len(body) > _LARGE:
            # A turn of the loop each: eight of them at once kept a single event waiting for all eight.
            async with self._large:
                await asyncio.sleep(0)
                classified, now = self._understand(media, body, headers)
        else:
            classified, now = self._understand(media, body, headers)
        receipt = await self._commit(classified)
        rejected = self._counted(classified, receipt, now)
        return _reply(classified, receipt, rejected)

    async def count(self, decoded: Decoded, *, deferrable: bool) -> list[Rejection]:
        """Count events that another route has decoded; those that were rejected, by their places.

        A conflict is among them. `deferrable` ones start no write of their own at once. Raises a `Refused` as
        `take` does.
        """
        now = self._clock()
        classified = self._classifier.classify(decoded, now)
        classified.batch.deferrable = deferrable
        receipt = await self._commit(classified)
        return self._counted(classified, receipt, now)

    async def _commit(self, classified: Classified) -> Receipt:
        if not classified.kinds:
            self._reject(classified.rejected)
            raise _nothing_valid(classified.rejected)
        return await self._ledger.commit(classified.batch)

    def _understand(self, media: Media, body: bytes, headers: Headers) -> tuple[Classified, float]:
        """A body's events as a batch, and when they were received, Unix seconds."""
        decoded = self._decoder.decode(media, body, headers)
        if b"idempotency-key" in headers:
            _stand_in(decoded, headers[b"idempotency-key"])
        now = self._clock()
        return self._classifier.classify(decoded, now), now

    def _counted(self, classified: Classified, receipt: Receipt, now: float) -> list[Rejection]:
        own = self._own
        own.accepted.inc(receipt.accepted)
        if receipt.duplicates:
            own.duplicates.inc(receipt.duplicates)
        kinds, late = classified.kinds, classified.late
        if receipt.verdicts:
            # A retry was noted when it was counted.
            fresh = [verdict == ACCEPTED for verdict in receipt.verdicts]
            kinds = list(compress(kinds, fresh))
            series = compress(classified.batch.series, fresh)
            late = sum(one.family is Family.LATE for one in series)
        if late:
            own.late.inc(late)
        if classified.unkeyed:
            own.at_least_once.inc(classified.unkeyed)
        if classified.delay is not None:
            own.event_delay.observe(max(0.0, classified.delay))
        self._note(kinds, now)
        rejected = classified.rejected
        if receipt.conflicts:
            rejected = sorted(rejected + _conflicts(classified, receipt), key=lambda one: one.index)
        if rejected:
            self._reject(rejected)
        if self._debug:
            self._log(classified, receipt)
        return rejected

    def _note(self, kinds: Sequence[Kind], now: float) -> None:
        """Unknown codes and capped labels, a look per kind and not per event."""
        for kind, count in Counter(kinds).items():
            if kind.unknown is not None:
                self._own.unknown.labels(kind.system).inc(count)
                self._unknown_codes.record(kind.system, kind.unknown, now, count)
            if OTHER in kind.series.labels:
                for name, value in zip(self._label_names, kind.series.labels, strict=True):
                    if value == OTHER:
                        self._own.capped.labels(name).inc(count)

    def _reject(self, rejected: list[Rejection]) -> None:
        for one in rejected:
            self._own.rejected.labels(one.reason).inc()
            self._refused(one.reason, one.message)

    def _log(self, classified: Classified, receipt: Receipt) -> None:
        verdicts = receipt.verdicts or bytes(receipt.events)
        sessions = classified.batch.sessions or [None] * receipt.events
        for kind, session, verdict in zip(classified.kinds, sessions, verdicts, strict=True):
            log.debug(
                "session_end",
                system=kind.system,
                code=kind.code,
                raw_code=kind.unknown,
                session_id=session,
                verdict=("accepted", "duplicate", "conflict")[verdict],
            )


def _reply(classified: Classified, receipt: Receipt, rejected: list[Rejection]) -> bytes:
    if receipt.accepted == 1 == receipt.events and not rejected and not classified.unkeyed:
        return _ONE_ACCEPTED
    reply: dict[str, Any] = {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "rejected": [one.as_json() for one in rejected],
    }
    if classified.unkeyed:
        reply["at_least_once"] = classified.unkeyed
    return msgspec.json.encode(reply)


def _stand_in(decoded: Decoded, key: bytes) -> None:
    """An Idempotency-Key is the id of a single event that has none; the draft standard quotes it."""
    if decoded.total != 1 or len(decoded.events.id) != 1 or decoded.events.id[0] is not None:
        return
    try:
        text = key.decode().strip()
    except UnicodeDecodeError:
        raise Unparseable("Idempotency-Key: is not UTF-8") from None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    decoded.events = decoded.events._replace(id=(text,))


def _conflicts(classified: Classified, receipt: Receipt) -> list[Rejection]:
    message = "id: counted before with other content; the first one stands"
    return [
        Rejection(place, "conflict", message)
        for place, verdict in zip(classified.places, receipt.verdicts or b"", strict=True)
        if verdict == CONFLICT
    ]


def _nothing_valid(rejected: list[Rejection]) -> NothingValid:
    first = min(rejected, key=lambda one: one.index)
    return NothingValid(
        f"none of {len(rejected)} events is valid; event {first.index}: {first.message}",
        [one.as_json() for one in rejected],
    )
