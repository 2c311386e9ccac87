"""`POST /v1/logs`: OTLP/HTTP 1.x. Nothing is acknowledged before it is on disk."""

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from exporter.errors import Internal, NothingValid, Refused
from exporter.ingest.app import Answer, Request, answer
from exporter.ingest.event import Decoded
from exporter.ingest.guard import Guard
from exporter.ingest.media import media_type
from exporter.ingest.otlp.answers import JSON, PROTOBUF, export_response, status
from exporter.ingest.otlp.records import Records
from exporter.ingest.pipeline import Pipeline, Warnings
from exporter.logs import Log
from exporter.metrics.own import OwnMetrics

log = Log("exporter.ingest")

_FORMS: Final = {
    PROTOBUF: "exporter.ingest.otlp.protobuf_form",
    JSON: "exporter.ingest.otlp.json_form",
}


class _OtlpInternal(Internal):
    """`Internal` for OTLP clients: they send a request again after a 503, but not after a 500."""

    status = 503


@dataclass
class LogsRoute:
    """Counts log records that are session ends and ignores others; see `exporter.ingest.app.Route`."""

    guard: Guard
    records: Records
    pipeline: Pipeline
    own: OwnMetrics
    methods: tuple[str, ...] = ("POST",)

    def __post_init__(self) -> None:
        self._forms: dict[str, Any] = {}

    async def take(self, request: Request) -> Answer | None:
        """200 also when records are rejected: `partial_success` says how many.

        After a 4xx the client would drop all records of the request.
        """
        declared = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        media = JSON if declared == JSON.encode() else PROTOBUF
        try:
            self.guard.admit(request.method, request.headers, request.client)
            media_type(request.headers.get(b"content-type", b""), tuple(_FORMS))
            body = await self.guard.read(request.headers, request.receive)
            if body is None:
                return None
            response = await self._count(media, body)
        except Exception as error:
            if isinstance(error, Refused):
                refused = error
            else:
                log.error("defect", exc_info=True)
                refused = _OtlpInternal("the exporter's log has the details")
            text = f"{refused.title}: {refused.detail} ({refused.reason})"
            refused.body = (media.encode(), status(media, text))
            raise refused from None
        return answer(response, media=media.encode())

    async def _count(self, media: str, body: bytes) -> bytes:
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

        rejected, message = 0, ""
        try:
            classified, _, rejections, warnings = await self.pipeline.count_body(
                len(body), decode, {}
            )
        except NothingValid as error:
            rejected = len(error.rejected)
            message = error.detail if rejected else ""
        else:
            rejected = len(rejections)
            message = (
                f"{rejections[0].message} (record {rejections[0].index}: {rejections[0].reason})"
                if rejections
                else _warning(warnings, classified.unkeyed)
            )
        for reason, count in ignored.items():
            self.own.ignored_records.labels(reason).inc(count)
        return export_response(media, rejected, message)


def _warning(warnings: Warnings, unkeyed: int) -> str:
    """The warnings about a request whose records are all counted; "" without warnings."""
    parts = [f"{kind}: {', '.join(map(str, names))}" for kind, names in warnings.items()]
    if unkeyed:
        parts.append(
            f"at_least_once: {unkeyed} records have no id and no time, a retry counts again"
        )
    return "; ".join(parts)
