"""The ingest pipeline: admit → read → decode → classify → commit → count → 200."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final, NamedTuple

import msgspec
from starlette.types import Receive

from exporter.errors import NothingValid, Refused, Unparseable
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import Decoded, Rejection
from exporter.ingest.guard import LARGE, Guard, Headers, LargeBodies, Media, media
from exporter.ingest.resolver import ResolvedCode
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import ACCEPTED, CONFLICT, Family, Ledger, Receipt
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics
from exporter.names import OTHER
from exporter.timestamps import rfc3339

log = Log("exporter.ingest")

_WARNED_CODES: Final = 10
"""Most unknown codes in an answer: senders choose them, and each has up to 128 characters."""
Warnings = dict[str, dict[str, Any]]
"""What the sender probably did not intend, by kind: names, codes, or count and oldest time of late events."""
_ONE_ACCEPTED: Final = b'{"accepted":1,"duplicates":0,"rejected":[]}'


class Counted(NamedTuple):
    """The content of the answer to a request; `rejected` includes conflicts."""

    classified: Classified
    receipt: Receipt
    rejected: list[Rejection]
    warnings: Warnings


@dataclass
class Pipeline:
    """Counts the events of requests.

    `rejected` is called with reason and message of each rejected event and the sender's address, which is ""
    for a browser's beacon. `clock` is Unix time.
    """

    guard: Guard
    decoder: Decoder
    classifier: Classifier
    ledger: Ledger
    own: OwnMetrics
    unknown_codes: UnknownCodes
    label_names: tuple[str, ...]
    large: LargeBodies
    rejected: Callable[[str, str, str], None]
    clock: Callable[[], float] = time.time
    debug: bool = False

    async def take(
        self, method: str, headers: Headers, client: str, receive: Receive
    ) -> bytes | None:
        """Count a request's events; the JSON of the 200, or None when the sender went away.

        Raises a `Refused` when nothing was counted. After `LedgerUnavailable` from a broken ledger the
        events may have been counted; a retry is safe for events with a key.
        """
        self.guard.admit(method, headers, client)
        declared = media(headers)
        body = await self.guard.read(headers, receive)
        if body is None:
            return None
        # Only `_decode` applies the key.
        plain = b"idempotency-key" not in headers
        counted = await self.count_body(
            len(body),
            client,
            lambda: self._decode(declared, body, headers),
            lambda: self.decoder.decode_plain(declared, body) if plain else None,
        )
        return _reply(counted)

    def start(
        self,
        headers: Headers,
        client: str,
        body: bytes,
        answered: Callable[[bytes | Exception], None],
    ) -> None:
        """`take` for a POST with a small body of the declared length that is not compressed, without a task.

        `answered` is called later, once, with the JSON of the 200 or with an error. Raises as `take` does.
        """
        self.guard.admit("POST", headers, client)
        classified = self._classify(self._decode(media(headers), body, headers), client)

        def count(answer: Receipt | Refused) -> None:
            if isinstance(answer, Refused):
                # Not raised: the traceback would keep the request until the garbage collector runs.
                answered(answer)
                return
            try:
                result: bytes | Exception = _reply(self._count(classified, answer, client))
            except Exception as error:
                result = error
            answered(result)

        self.ledger.enqueue(classified.batch, count)

    async def count_body(
        self,
        size: int,
        client: str,
        decode: Callable[[], Decoded],
        decode_plain: Callable[[], Decoded | None] = lambda: None,
    ) -> Counted:
        """Count the events that `decode` reads from a body of `size` bytes. Raises as `take` does.

        `decode_plain` reads large plain bodies. For others it returns None, and `decode` runs in a thread.
        """
        if size <= LARGE:
            return await self.count(decode(), client)
        async with self.large.turn(size):
            async with self.large.decoding:
                await asyncio.sleep(0)
                decoded = decode_plain()
                if decoded is None:
                    # This takes up to 0.3 s for 1 MiB, and all other senders would wait.
                    decoded = await asyncio.to_thread(decode)
            return await self.count(decoded, client)

    async def count(
        self, decoded: Decoded, client: str = "", *, deferrable: bool = False
    ) -> Counted:
        """Count events; `deferrable` events start no write of their own at once. Raises as `take` does."""
        classified = self._classify(decoded, client)
        classified.batch.deferrable = deferrable
        return self._count(classified, await self.ledger.commit(classified.batch), client)

    def _decode(self, declared: Media, body: bytes, headers: Headers) -> Decoded:
        decoded = self.decoder.decode(declared, body, headers)
        if b"idempotency-key" in headers:
            _apply_idempotency_key(decoded, headers[b"idempotency-key"])
        return decoded

    def _classify(self, decoded: Decoded, client: str) -> Classified:
        """The events as a batch. Raises `NothingValid` without a valid event."""
        classified = self.classifier.classify(decoded, self.clock())
        if not classified.resolved:
            rejected = classified.rejected
            self._count_rejections(rejected, client)
            first = rejected[0]
            raise NothingValid(
                f"none of {len(rejected)} events is valid; event {first.index}: {first.message}",
                rejected,
            )
        return classified

    def _count(self, classified: Classified, receipt: Receipt, client: str) -> Counted:
        """Update the exporter's own metrics."""
        own, ignored = self.own, classified.ignored
        if ignored is not None:
            own.ignored_fields.inc(ignored.count)
        own.accepted.inc(receipt.accepted)
        resolved, late, rejected = classified.resolved, classified.late, classified.rejected
        if receipt.verdicts:
            own.duplicates.inc(receipt.duplicates)
            # A duplicate was recorded when its first event was counted.
            accepted = [verdict == ACCEPTED for verdict in receipt.verdicts]
            resolved = list(compress(resolved, accepted))
            series = compress(classified.batch.series, accepted)
            late = sum(each.family is Family.LATE for each in series)
        if receipt.verdicts and receipt.conflicts:
            message = "id: already counted with other content; the first event stands"
            conflicts = [
                Rejection(place, "conflict", message)
                for place, verdict in zip(classified.places, receipt.verdicts, strict=True)
                if verdict == CONFLICT
            ]
            rejected = sorted(rejected + conflicts, key=lambda rejection: rejection.index)
        if late:
            own.late.inc(late)
        if classified.unkeyed:
            own.at_least_once.inc(classified.unkeyed)
        if classified.delay is not None:
            own.event_delay.observe(max(0.0, classified.delay))
        self._record(resolved, classified.received)
        if rejected:
            self._count_rejections(rejected, client)
        if self.debug:
            self._log(classified, receipt)
        return Counted(classified, receipt, rejected, _warnings(classified))

    def _record(self, resolved: Sequence[ResolvedCode], now: float) -> None:
        """Record unknown codes and capped labels, once per resolved code and not per event."""
        recorded = [
            code
            for code in dict.fromkeys(resolved)
            if code.unknown is not None or OTHER in code.series.labels
        ]
        if not recorded:
            return
        counts = Counter(resolved)
        for code in recorded:
            if code.unknown is not None:
                self.own.unknown.labels(code.system).inc(counts[code])
                self.unknown_codes.record(code.system, code.unknown, now, counts[code])
            if OTHER in code.series.labels:
                for name, value in zip(self.label_names, code.series.labels, strict=True):
                    if value == OTHER:
                        self.own.capped.labels(name).inc(counts[code])

    def _count_rejections(self, rejected: list[Rejection], client: str) -> None:
        for rejection in rejected:
            self.own.rejected.labels(rejection.reason).inc()
            self.rejected(rejection.reason, rejection.message, client)

    def _log(self, classified: Classified, receipt: Receipt) -> None:
        verdicts = receipt.verdicts or bytes(receipt.events)
        sessions = classified.batch.sessions or [None] * receipt.events
        for code, session, verdict in zip(classified.resolved, sessions, verdicts, strict=True):
            log.debug(
                "session_end",
                system=code.system,
                code=code.code,
                raw_code=code.unknown,
                session_id=session,
                verdict=("accepted", "duplicate", "conflict")[verdict],
            )


def _warnings(classified: Classified) -> Warnings:
    """The warnings of an answer: codes that no taxonomy has, keys that are no field, late events."""
    resolved, ignored = classified.resolved, classified.ignored
    warnings: Warnings = {}
    if any(code.unknown for code in set(resolved)):
        codes = Counter(code.unknown for code in resolved if code.unknown)
        warnings["unknown_codes"] = dict(codes.most_common(_WARNED_CODES))
    if ignored is not None and ignored.count:
        warnings["ignored_fields"] = ignored.names
    if classified.late and classified.delay:
        oldest = rfc3339(classified.received - classified.delay)
        warnings["late"] = {"events": classified.late, "oldest": oldest}
    return warnings


def _reply(counted: Counted) -> bytes:
    classified, receipt, rejected, warnings = counted
    plain = not (rejected or classified.unkeyed or warnings)
    if plain and receipt.accepted == 1 == receipt.events:
        return _ONE_ACCEPTED
    reply: dict[str, Any] = {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "rejected": rejected,
    }
    if classified.unkeyed:
        reply["at_least_once"] = classified.unkeyed
    if warnings:
        reply["warnings"] = warnings
    return msgspec.json.encode(reply)


def _apply_idempotency_key(decoded: Decoded, key: bytes) -> None:
    """Make the header the id of a single event that has none; the draft standard quotes its value."""
    if decoded.total != 1 or len(decoded.events.id) != 1 or decoded.events.id[0] is not None:
        return
    try:
        text = key.decode().strip()
    except UnicodeDecodeError:
        raise Unparseable("Idempotency-Key: is not UTF-8") from None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    decoded.events = decoded.events._replace(id=(text,))
