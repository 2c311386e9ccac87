"""Streampixel's build events: `POST /v1/webhooks/streampixel/{token}`, their series and metrics."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from xxhash import xxh3_64_intdigest, xxh3_128_digest

from exporter import names
from exporter.errors import NothingValid, Rejected, Unparseable
from exporter.ingest.app import Answer, Request, answer
from exporter.ingest.event import Rejection, Time
from exporter.ingest.guard import Guard, media_type
from exporter.ledger.contract import FINGERPRINT_BYTES, Batch, Family, Ledger, Series, Totals
from exporter.logs import Log

log = Log("exporter.streampixel")

SYSTEM: Final = "streampixel"
EventName = Literal[
    "build.uploaded",
    "build.downloading",
    "build.extracting",
    "build.saving",
    "build.distributing",
    "build.approved",
    "build.rejected",
    "webhook.test",
]
"""Names in the order of Streampixel's pipeline (docs.streampixel.io, "Webhook event reference").

The test button of Streampixel's dashboard sends `webhook.test`.
"""
EVENTS: Final[tuple[str, ...]] = get_args(EventName)
MAX_BODY: Final = 64 * 1024
"""Bytes; a documented payload has about 300."""
BUDGET: Final = 16 * MAX_BODY
"""Bytes of bodies that may be read at the same time."""
_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_FINGERPRINT: Final = bytes(FINGERPRINT_BYTES)
"""Equal for all events: a repeated delivery is a duplicate, never a conflict."""
_SEED: Final = xxh3_64_intdigest(f"{SYSTEM}\0webhook".encode())
"""Keeps the ids of build events apart from the ids of session ends."""

_Id = Annotated[str, Field(min_length=1, max_length=128)]


def _time(value: Any) -> Any:
    # pydantic takes "0" for a time too.
    try:
        return msgspec.convert(value, Time) if isinstance(value, str) else value
    except (msgspec.ValidationError, UnicodeEncodeError):
        rule = "must be an RFC 3339 time with an offset"
        raise Rejected("invalid_field", f"timestamp: {rule}") from None


class BuildEvent(BaseModel):
    """One step of a Streampixel build. Other fields are not read."""

    # Most exporters have no webhook: the validator is built at the first request.
    model_config = ConfigDict(strict=True, defer_build=True)

    event: EventName
    projectId: _Id  # noqa: N815 (Streampixel's spelling)
    uploadId: _Id | None = None  # noqa: N815
    timestamp: Annotated[AwareDatetime, BeforeValidator(_time)] = Field(
        description="When it happened; the same for each delivery."
    )

    def key(self) -> bytes:
        """Equal for repeated deliveries. A rollback distributes the same upload at another time."""
        parts = (self.event, self.projectId, self.uploadId, self.timestamp.timestamp())
        return xxh3_128_digest(msgspec.msgpack.encode(parts), _SEED)


def decode(body: bytes) -> BuildEvent:
    """The event in a body. Raises `Unparseable`, or `Rejected` with the field and its rule."""
    try:
        return BuildEvent.model_validate_json(body)
    except ValidationError as error:
        (mistake, *_) = error.errors()
        if mistake["type"] == "json_invalid":
            raise Unparseable(f"not JSON: {mistake['msg']}") from None
        if not mistake["loc"]:
            raise Rejected("not_an_object", "a build event is a JSON object") from None
        raise Rejected("invalid_field", f"{mistake['loc'][0]}: {mistake['msg']}") from None


@dataclass
class BuildWebhook:
    """A route that counts each build event once; see `exporter.ingest.app.Route`.

    A build is no session end: only its own series, requests and refused requests are counted. `rejected` is
    called with reason and message of an invalid event and the sender's address.
    The token at the end of the path is the sender's only secret: no log line and no answer contains it.
    The guard checks it as it checks a bearer token, before the body is read.
    """

    guard: Guard
    ledger: Ledger
    series: Mapping[str, Series]
    max_clock_skew: float
    rejected: Callable[[str, str, str], None]
    clock: Callable[[], float] = time.time
    methods: tuple[str, ...] = ("POST",)
    _commit_lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def take(self, request: Request) -> Answer | None:
        """200 once the event is on disk, also for a repeated delivery."""
        headers = request.headers
        bearer = b"Bearer " + request.last_segment.encode("utf-8", "replace")
        self.guard.admit(request.method, headers | {b"authorization": bearer}, request.client)
        media_type(headers.get(b"content-type", b""), ("application/json",))
        body = await self.guard.read(headers, request.receive)
        if body is None:
            return None
        try:
            build = decode(body)
            at, now = build.timestamp.timestamp(), self.clock()
            if at > now + self.max_clock_skew:
                limit = f"at most {self.max_clock_skew:g} s are allowed"
                raise Rejected("clock_skew", f"timestamp: {at - now:.0f} s in the future; {limit}")
        except Rejected as error:
            self.rejected(error.reason, error.message, request.client)
            rejection = Rejection(0, error.reason, error.message)
            raise NothingValid(error.message, [rejection]) from None
        return await self._commit(build, min(at, now))

    async def _commit(self, build: BuildEvent, at: float) -> Answer:
        # Without the lock, two commits would read the same last time, and the earlier time could win.
        async with self._commit_lock:
            # Events may arrive out of order: an earlier event must not replace the last time.
            known = last_build_times(self.ledger.totals()).get(build.event, 0.0)
            last = repr(max(at, known))
            batch = Batch([self.series[build.event]], build.key(), _NO_FINGERPRINT, None, [last])
            receipt = await self.ledger.commit(batch)
        if receipt.accepted:
            log.info("build event counted", system=SYSTEM, build_event=build.event)
        reply = {"accepted": receipt.accepted, "duplicates": receipt.duplicates, "rejected": []}
        return answer(msgspec.json.encode(reply), _NO_STORE)


def build_series(label_names: Sequence[str]) -> dict[str, Series]:
    """The series of each event. The configured labels are empty: builds have none of them."""
    labels = ("",) * len(label_names)
    return {event: Series(Family.BUILDS, SYSTEM, event, "", "", "", labels) for event in EVENTS}


def last_build_times(totals: Totals) -> dict[str, float]:
    """Unix time of the last occurrence of each event; events that never happened are absent."""
    # The ledger stores the time as the text of the exemplar, in the transaction that counts the event.
    return {
        total.series.code: float(total.exemplar.session_id)
        for total in totals.series
        if total.series.family is Family.BUILDS and total.exemplar is not None
    }


class BuildsCollector(Collector):
    """Exports the build series of a ledger. Without a webhook the ledger has none: nothing is exported."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterable[Metric]:
        totals = self._ledger.totals()
        builds = [total for total in totals.series if total.series.family is Family.BUILDS]
        if not builds:
            return
        labels = (names.SYSTEM, names.EVENT)
        count = CounterMetricFamily(
            names.PLATFORM_BUILDS,
            "Build events of the platform, by the event's name.",
            labels=(*labels, names.LEDGER),
        )
        last = GaugeMetricFamily(
            names.PLATFORM_LAST_BUILD,
            "Unix time of the last build event with this name; 0 for never.",
            labels=labels,
        )
        times = last_build_times(totals)
        for total in builds:
            event = total.series.code
            count.add_metric((SYSTEM, event, totals.ledger), total.value)
            last.add_metric((SYSTEM, event), times.get(event, 0.0))
        yield count
        yield last
