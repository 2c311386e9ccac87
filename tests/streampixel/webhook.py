"""The webhook's route with a real ledger, without a socket, and payloads as Streampixel documents them."""

import asyncio
import json
from pathlib import Path
from typing import Any, Self

from prometheus_client import CollectorRegistry
from starlette.types import Message

from exporter.ingest.app import Request
from exporter.ingest.guard import Guard
from exporter.ledger.recovery import LedgerSettings
from exporter.ledger.sqlite import SqliteLedger
from exporter.metrics.collector import LedgerCollector
from exporter.streampixel import builds
from exporter.streampixel.builds import BuildsCollector, BuildWebhook, build_series
from exporter.tokens import Authenticator

NOW = 1_795_201_200.0
"""2026-11-20T19:00:00Z."""
TOKEN = "hook-0123456789abcdef"
JSON = {b"content-type": b"application/json"}
STATUS = {
    "build.uploaded": "pending",
    "build.downloading": "Downloading Files",
    "build.extracting": "Extracting & Scanning",
    "build.saving": "Saving to Repository",
    "build.distributing": "Distribute",
    "build.approved": "Approved",
    "build.rejected": "Reject",
}
"""The status of each build event."""
PROJECT = "664f1a2b3c4d5e6f7a8b9c0d"
UPLOAD = "665a2b3c4d5e6f7a8b9c0e1f"


def body(event: str = "build.approved", **fields: Any) -> bytes:
    """A complete payload; `fields` replace fields, None as null."""
    build = event in STATUS
    payload = {
        "event": event,
        "projectId": PROJECT,
        "uploadId": UPLOAD if build else None,
        "fileUrl": "https://your-bucket.s3.amazonaws.com/builds/v1.2.0.zip" if build else None,
        "status": STATUS.get(event, "Test"),
        "objection": "Unsupported file formats." if event == "build.rejected" else None,
        "timestamp": "2026-11-20T18:50:00.000Z",
    }
    return json.dumps(payload | fields).encode()


TEST_BODY = body("webhook.test")


def token_file(folder: Path, *tokens: str) -> Path:
    path = folder / "webhook-tokens"
    path.write_text("".join(f"{token}\n" for token in tokens or (TOKEN,)))
    path.chmod(0o600)
    return path


class Webhook:
    """The route inside a `with` block; its clock stands still. `rejections` are reasons and messages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rejections: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        series = build_series(("region",))
        settings = LedgerSettings(self._folder / "ledger", ("region",), list(series.values()))
        self._ledger = self._runner.run(SqliteLedger.open(settings))
        self.registry = CollectorRegistry()
        self.registry.register(LedgerCollector(("region",), self._ledger))
        self.registry.register(BuildsCollector(self._ledger))
        authenticator = Authenticator(token_file(self._folder))
        self._route = BuildWebhook(
            Guard(authenticator, builds.MAX_BODY, builds.BUDGET),
            self._ledger,
            series,
            300,
            rejected=lambda reason, message, _client: self.rejections.append((reason, message)),
            clock=lambda: NOW,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._ledger.close())
        self._runner.close()

    def post(
        self, body: bytes | None, token: str = TOKEN, headers: dict[bytes, bytes] = JSON
    ) -> int:
        """The status of the answer; 0 for no answer. Without a body, the sender leaves."""
        return self._runner.run(self._post(body, token, headers))

    def post_together(self, *bodies: bytes) -> None:
        async def post() -> None:
            await asyncio.gather(*(self._post(body, TOKEN, JSON) for body in bodies))

        self._runner.run(post())

    async def _post(self, body: bytes | None, token: str, headers: dict[bytes, bytes]) -> int:
        async def receive() -> Message:
            if body is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": body, "more_body": False}

        answer = await self._route.take(Request("POST", token, headers, "192.0.2.1", receive))
        return answer[0] if answer else 0

    def value(self, name: str, **labels: Any) -> float | None:
        """The sum of a metric's series with these labels."""
        values = [
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(values) if values else None
