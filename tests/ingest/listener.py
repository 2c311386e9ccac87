"""The ingest listener without a socket: it takes raw ASGI messages and returns the answer."""

import asyncio
import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.types import Message

from exporter.errors import Refused
from exporter.ingest.app import IngestApp
from exporter.ingest.classify import Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Guard, LargeBodies
from exporter.ingest.labels import LabelValues
from exporter.ingest.otlp.attributes import Attributes
from exporter.ingest.otlp.records import Records
from exporter.ingest.otlp.route import LogsRoute
from exporter.ingest.pipeline import Pipeline
from exporter.ingest.unknown import UnknownCodes
from exporter.ledger.contract import Ledger
from exporter.metrics.own import OwnMetrics
from exporter.names import INGEST_PATH, LOGS_PATH
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator
from tests.ingest.memory_ledger import MemoryLedger

NOW = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)
LABELS = ("region", "project")
JSON = {b"content-type": b"application/json"}
NDJSON = {b"content-type": b"application/x-ndjson"}
EVENT: dict[str, Any] = {"system": "softdrive", "code": "01", "id": "e-1"}


def keyless(**fields: Any) -> dict[str, Any]:
    return {"system": "softdrive", "code": "01", **fields}


@dataclass(frozen=True)
class Answer:
    """A whole answer; `status` 0 when there was none."""

    status: int
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Stream:
    """A body that arrives in `chunks`. Without chunks, or if it `disconnects`, the sender leaves too early.

    `read` is the number of bytes that the application has taken.
    """

    def __init__(self, chunks: Iterable[bytes], *, disconnects: bool = False) -> None:
        self._chunks = deque(chunks)
        self._disconnects = disconnects
        self.read = 0

    async def receive(self) -> Message:
        if not self._chunks:
            return {"type": "http.disconnect"}
        chunk = self._chunks.popleft()
        self.read += len(chunk)
        more = bool(self._chunks) or self._disconnects
        return {"type": "http.request", "body": chunk, "more_body": more}


class Refusing(Authenticator):
    """Refuses every request with `error`."""

    def __init__(self, error: Refused) -> None:
        self.error = error

    def check(self, authorization: bytes | None, client: str) -> None:
        raise self.error


class Listener:
    """All code behind the ingest port, with the defaults of the settings and the clock at `now`."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        ledger: Ledger | None = None,
        *,
        authenticator: Authenticator = Authenticator(None),  # noqa: B008
        max_values: int = 50,
        budget: int = 64 * 1024**2,
    ) -> None:
        self.now = NOW.timestamp()
        self.memory = MemoryLedger()
        self.registry = CollectorRegistry()
        self.own = OwnMetrics(self.registry, taxonomy.systems, LABELS)
        self.unknown = UnknownCodes(taxonomy.systems)
        self.logged: list[str] = []
        self.clients: list[str] = []
        guard = Guard(authenticator, 1024**2, 64 * 1024**2)
        self.pipeline = Pipeline(
            guard,
            Decoder(1000, 32),
            Classifier(taxonomy, LabelValues(LABELS, max_values, 32), 900, 300),
            ledger or self.memory,
            self.own,
            self.unknown,
            LABELS,
            LargeBodies(budget),
            clock=lambda: self.now,
            rejected=self.refused,
        )
        records = Records(Attributes(LABELS), frozenset({"session.end"}), 1000)
        self.app = IngestApp(
            self.pipeline,
            self.refused,
            routes={LOGS_PATH: LogsRoute(records, self.pipeline)},
        )

    def refused(self, reason: str, _detail: str, client: str) -> None:
        self.logged.append(reason)
        self.clients.append(client)

    async def answer(
        self,
        body: bytes | Stream,
        headers: dict[bytes, bytes] = JSON,
        *,
        method: str = "POST",
        path: str = INGEST_PATH,
        client: str | None = "127.0.0.1",
    ) -> Answer:
        """The application's answer to one request."""
        stream = body if isinstance(body, Stream) else Stream([body])
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "path": path,
            "method": method,
            "headers": list(headers.items()),
            "client": (client, 50000) if client else None,
        }
        await self.app(scope, stream.receive, send)
        if not sent:
            return Answer(0)
        start, end = sent
        assert start["type"] == "http.response.start"
        assert end["type"] == "http.response.body"
        answered = dict(start["headers"])
        assert len(answered) == len(start["headers"])
        assert int(answered.get(b"content-length", 0)) == len(end["body"])
        return Answer(start["status"], answered, end["body"])

    def post(
        self, body: bytes | Stream, headers: dict[bytes, bytes] = JSON, **request: Any
    ) -> Answer:
        """`answer` for tests that need no event loop of their own."""
        return asyncio.run(self.answer(body, headers, **request))

    def send(self, *events: object, **headers: str) -> Answer:
        """Post events as JSON: one as an object, several as an array."""
        body = json.dumps(events[0] if len(events) == 1 else events).encode()
        extra = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        return self.post(body, {**JSON, **extra})

    def value(self, name: str, **labels: str) -> float:
        """The value of a series of the exporter's own metrics; `name` is without the prefix."""
        sample = self.registry.get_sample_value(f"session_exporter_{name}", labels)
        assert sample is not None, f"{name}{labels} is missing"
        return sample

    def total(self, name: str) -> float:
        """The sum over a self-metric's series."""
        full = f"session_exporter_{name}"
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == full
        )
