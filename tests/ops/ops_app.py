"""The ops app with its parts, requests to it without a socket, and a parser of its pages."""

import asyncio
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx
from prometheus_client import CollectorRegistry

from exporter.ingest.unknown import UnknownCodes
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.own import OwnMetrics, StateCollector
from exporter.ops.app import create_app
from exporter.ops.lazy_app import LazyApp
from exporter.ops.recent_ends import RecentEnds
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator
from tests.clock import Clock
from tests.metrics.still_ledger import StillLedger, total, two_systems


@dataclass
class Ops:
    """The ops app of an exporter; by default it is ready and has counted 5 events."""

    ledger: StillLedger = field(default_factory=lambda: StillLedger([total(5)]))
    settings: Settings = field(default_factory=Settings)
    taxonomy: Taxonomy = field(default_factory=two_systems)
    authenticator: Authenticator = field(default_factory=lambda: Authenticator(None))
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.recent_ends = RecentEnds(self.ledger.totals, self.clock, wall=lambda: 1_790_000_000.0)
        self.registry = CollectorRegistry()
        self.own = OwnMetrics(self.registry, self.taxonomy.systems, self.settings.labels)
        self.registry.register(LedgerCollector(self.settings.labels, self.ledger))
        self.registry.register(StateCollector(self.ledger))
        self.unknown_codes = UnknownCodes(self.taxonomy.systems)
        self.app = create_app(
            self.settings,
            self.taxonomy,
            self.ledger,
            self.registry,
            self.own,
            self.unknown_codes,
            self.authenticator,
            self.recent_ends,
        )

    def wait(self, minutes: int) -> None:
        for _ in range(minutes):
            self.clock.now += 60
            self.recent_ends.sample()

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """One request; the header `accept_encoding` is Accept-Encoding."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return asyncio.run(self.send(path, method, named))

    async def send(
        self, path: str, method: str = "GET", headers: list[tuple[str, str]] | None = None
    ) -> httpx.Response:
        app = LazyApp(self.ledger, lambda _: self.app, self.recent_ends)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport) as client:
            client.headers.clear()
            return await client.request(method, f"http://exporter{path}", headers=headers)


class Page(HTMLParser):
    """A page's text, ids, references and tags. Fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in {"meta", "br", "input", "wbr"}:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.refs.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data
