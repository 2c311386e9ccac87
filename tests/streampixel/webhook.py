"""The webhook's route with a real ledger, without a socket; the clock stands still."""

import time
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.ingest.guard import Guard, Message
from exporter.ingest.routes import Request
from exporter.ledger.contract import Ledger
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from exporter.metrics.own import OwnMetrics
from exporter.streampixel import webhook
from exporter.streampixel.builds import BuildsCollector, build_series
from exporter.streampixel.webhook import BuildWebhook
from exporter.tokens import Gate, Throttle, Tokens

NOW = 1_795_201_200.0
"""2026-11-20T19:00:00Z."""
TOKEN = "hook-0123456789abcdef"
JSON = {b"content-type": b"application/json"}


def token_file(folder: Path, *tokens: str) -> Path:
    path = folder / "webhook-tokens"
    path.write_text("".join(f"{token}\n" for token in tokens or (TOKEN,)))
    path.chmod(0o600)
    return path


class Webhook:
    """`rejections` are reasons and messages."""

    def __init__(self, ledger: Ledger, file: Path) -> None:
        self.ledger = ledger
        self.registry = CollectorRegistry()
        self.registry.register(BuildsCollector(ledger))
        self.own = OwnMetrics(self.registry, (), ())
        self.rejections: list[tuple[str, str]] = []
        gate = Gate(Tokens(file, time.monotonic), Throttle(time.monotonic))
        self.route = BuildWebhook(
            Guard(gate, webhook.MAX_BODY, webhook.BUDGET, "the limit of a webhook"),
            ledger,
            self.own,
            build_series(("region",)),
            300,
            clock=lambda: NOW,
            rejected=lambda reason, message: self.rejections.append((reason, message)),
        )

    @classmethod
    async def open(cls, folder: Path) -> "Webhook":
        plan = Plan(folder / "ledger", ("region",), list(build_series(("region",)).values()))
        return cls(await SqliteLedger.open(plan), token_file(folder))

    async def post(
        self, body: bytes, token: str = TOKEN, headers: dict[bytes, bytes] = JSON
    ) -> int | None:
        """Send a body; the status of the answer."""

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        answer = await self.route.take(Request("POST", token, headers, "192.0.2.1", receive))
        return None if answer is None else answer[0]

    def value(self, name: str, **labels: Any) -> float | None:
        """The sum of a metric's series with these labels."""
        values = [
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(values) if values else None
