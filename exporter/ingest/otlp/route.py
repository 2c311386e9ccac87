"""`POST /v1/logs`: OTLP/HTTP 1.x. Nothing is acknowledged before it is on disk."""

import asyncio
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

import msgspec

from exporter.errors import Internal, NothingValid, Refused
from exporter.ingest.app import Answer, Request, answer
from exporter.ingest.event import Decoded
from exporter.ingest.guard import media_type
from exporter.ingest.otlp.records import Records
from exporter.ingest.pipeline import Pipeline, Warnings
from exporter.logs import Log

log = Log("exporter.ingest")

_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_FORMS: Final = {
    _PROTOBUF: "exporter.ingest.otlp.protobuf_form",
    _JSON: "exporter.ingest.otlp.json_form",
}


@dataclass
class LogsRoute:
    """Counts log records that are session ends and ignores others; see `exporter.ingest.app.Route`."""

    records: Records
    pipeline: Pipeline
    methods: tuple[str, ...] = ("POST",)
    _forms: dict[str, Any] = field(default_factory=dict, init=False)

    async def take(self, request: Request) -> Answer | None:
        """200 also when records are rejected: after a 4xx the client would drop all records of a request."""
        declared = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        media = _JSON if declared == _JSON.encode() else _PROTOBUF
        try:
            self.pipeline.guard.admit(request.method, request.headers, request.client)
            media_type(request.headers.get(b"content-type", b""), tuple(_FORMS))
            body = await self.pipeline.guard.read(request.headers, request.receive)
            if body is None:
                return None
            response = await self._count(media, body, request.client)
        except Exception as error:
            if isinstance(error, Refused):
                refused = error
            else:
                log.error("defect", exc_info=True)
                refused = Internal("the exporter's log has the details")
                # OTLP clients send a request again after a 503, but not after a 500.
                refused.status = 503
            text = f"{refused.title}: {refused.detail} ({refused.reason})"
            refused.body = (media.encode(), _status(media, text))
            raise refused from None
        return answer(response, media=media.encode())

    async def _count(self, media: str, body: bytes, client: str) -> bytes:
        form = self._forms.get(media)
        if form is None:
            # In a thread, so that other senders do not wait for the import.
            form = self._forms[media] = await asyncio.to_thread(import_module, _FORMS[media])
        ignored: dict[str, int] = {}

        def decode() -> Decoded:
            decoded, others = self.records.decode(form.parse(body), form.encode)
            ignored.update(others)
            if not decoded.total:
                raise NothingValid("no session end in the request", [])
            return decoded

        try:
            counted = await self.pipeline.count_body(len(body), client, decode)
        except NothingValid as error:
            rejected = len(error.rejected)
            message = error.detail if rejected else ""
        else:
            classified, _, rejections, warnings = counted
            rejected = len(rejections)
            message = (
                f"{rejections[0].message} (record {rejections[0].index}: {rejections[0].reason})"
                if rejections
                else _warning(warnings, classified.unkeyed)
            )
        for reason, count in ignored.items():
            self.pipeline.own.ignored_records.labels(reason).inc(count)
        return _export_response(media, rejected, message)


def _warning(warnings: Warnings, unkeyed: int) -> str:
    """The warnings about a request whose records are all counted; "" without warnings."""
    late = warnings.pop("late", None)
    parts = [f"{kind}: {', '.join(map(str, names))}" for kind, names in warnings.items()]
    if late:
        parts.append(f"late: {late['events']} records, the oldest of {late['oldest']}")
    if unkeyed:
        parts.append(
            f"at_least_once: {unkeyed} records have no id and no time, a retry counts again"
        )
    return "; ".join(parts)


def _export_response(media: str, rejected: int, message: str) -> bytes:
    """An `ExportLogsServiceResponse`. With a message and no rejected record it is a warning."""
    if not message:
        return b"{}" if media == _JSON else b""
    if media == _JSON:
        # Integers of 64 bits are strings in the JSON of protobuf.
        partial = {"rejectedLogRecords": str(rejected), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial})
    count = b"\x08" + _varint(rejected) if rejected else b""
    return _field(1, count + _text(2, message))


def _status(media: str, message: str) -> bytes:
    """A `google.rpc.Status`; OTLP/HTTP does not use its code."""
    return msgspec.json.encode({"message": message}) if media == _JSON else _text(2, message)


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode("utf-8", "replace"))


def _field(number: int, data: bytes) -> bytes:
    """A field of protobuf: the answer to a wrong token must not import the library."""
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))
