"""The ops app with all around it that it needs, and requests to it without a socket."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import unquote

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import Message

from exporter.ingest.unknown import UnknownCodes
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.own import OwnMetrics
from exporter.metrics.state import StateCollector
from exporter.ops.app import create_app
from exporter.ops.history import History
from exporter.ops.lazy_app import LazyApp
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator, Throttle
from tests.metrics.still_ledger import StillLedger, total, two_systems


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    pairs: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for header, value in self.pairs if header == name]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Ops:
    """An ops app; what is not given is an exporter that is well and has counted 5 events."""

    ledger: StillLedger = field(default_factory=lambda: StillLedger([total(5)]))
    settings: Settings = field(default_factory=Settings)
    taxonomy: Taxonomy = field(default_factory=two_systems)
    gate: Authenticator = field(default_factory=lambda: Authenticator(None, Throttle(Clock())))
    history: History | None = None

    def __post_init__(self) -> None:
        self.history = self.history or History(self.ledger.totals)
        self.registry = CollectorRegistry()
        self.own = OwnMetrics(self.registry, self.taxonomy.systems, self.settings.labels)
        self.registry.register(LedgerCollector(self.settings.labels, self.ledger))
        self.registry.register(StateCollector(self.ledger, sqlite="3.51.3"))
        self.unknown_codes = UnknownCodes(self.taxonomy.systems)
        self.pages: FastAPI = create_app(
            self.settings,
            self.taxonomy,
            self.ledger,
            self.registry,
            self.own,
            self.unknown_codes,
            self.gate,
        )

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request on an event loop of its own; `accept_encoding` is Accept-Encoding.

        `path` is as a browser sends it, quoted and with a query.
        """
        return asyncio.run(self.ask(path, method, **headers))

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        pairs = [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ]
        return await self.send(path, method, pairs)

    async def send(self, path: str, method: str, headers: list[tuple[bytes, bytes]]) -> Answer:
        # Each request runs on a loop of its own, and a future belongs to one.
        self.app = LazyApp(self.ledger, lambda: self.pages, self.history)
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        raw, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw),
            "raw_path": raw.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("192.0.2.7", 50000),
            "server": ("127.0.0.1", 10401),
        }
        await self.app(scope, receive, send)
        start = sent[0]
        pairs = [(name.decode(), value.decode()) for name, value in start["headers"]]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(start["status"], dict(pairs), body, pairs)
