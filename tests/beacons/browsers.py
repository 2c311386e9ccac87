"""The ingest listener with its beacon route, without a socket, and requests as browsers make them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from exporter.beacons.buckets import Limit
from exporter.beacons.keys import digest
from exporter.beacons.route import MAX_BODY, BeaconRoute
from exporter.beacons.sites import Loader
from exporter.ingest.app import IngestApp
from exporter.ingest.guard import Guard
from exporter.names import BEACONS_PATH, INGEST_PATH
from exporter.taxonomy import Taxonomy
from exporter.watched import Watched
from tests.ingest.listener import LABELS, Answer, Listener, OpenGate, Stream

KEY, OLD_KEY, OTHER_KEY = "key-of-the-shop-now", "key-of-the-shop-before", "key-of-the-desk"
SHOP, DESK = "https://shop.example", "http://desk.example:8080"
EVENT = {"id": "e-1", "code": 4001, "session_id": "s-91"}
SITES = f"""\
sites:
  - site: shop
    system: streampixel
    origins: [{SHOP}, https://www.shop.example]
    keys: ["{digest(KEY)}", "{digest(OLD_KEY)}"]
    labels:
      region: [eu-west, us-east]
  - site: desk
    system: softdrive
    origins: ["{DESK}"]
    keys: ["{digest(OTHER_KEY)}"]
    rate: 2
    burst: 4
"""


class Browsers:
    """`post` sends as a page of the shop does; `now` is the clock of the rates, `listener.now` the wall's."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        folder: Path,
        *,
        address: Limit = Limit(5, 20),  # noqa: B008
        site: Limit = Limit(50, 100),  # noqa: B008
        queue_events: int = 1000,
        proxies: tuple[str, ...] = (),
    ) -> None:
        self.file = folder / "sites.yaml"
        self.file.write_text(SITES)
        self.now = 1000.0
        self.listener = Listener(taxonomy)
        self.route = BeaconRoute(
            Watched(
                self.file,
                Loader(taxonomy.systems, LABELS, site),
                "file of beacon keys",
                lambda: self.now,
            ),
            self.listener.pipeline,
            Guard(OpenGate(), MAX_BODY, 10 * MAX_BODY, "the limit of a beacon"),
            address,
            32,
            queue_events,
            clock=lambda: self.now,
            wall=lambda: self.listener.now,
        )
        self.listener.app = self.app = IngestApp(
            self.listener.pipeline,
            self.listener.own,
            lambda reason, _detail: self.listener.logged.append(reason),
            routes={BEACONS_PATH: self.route},
            proxies=proxies,
        )

    async def answer(
        self,
        body: object,
        *,
        key: str = KEY,
        origin: str | None = SHOP,
        method: str = "POST",
        client: str = "192.0.2.7",
        **headers: str,
    ) -> Answer:
        """`body` is JSON's value, bytes as they are, or a `Stream`."""
        raw = body if isinstance(body, bytes | Stream) else json.dumps(body).encode()
        named = {
            b"content-type": b"text/plain;charset=UTF-8",
            **({b"origin": origin.encode()} if origin is not None else {}),
            **{name.replace("_", "-").encode(): value.encode() for name, value in headers.items()},
        }
        app, self.listener.app = self.listener.app, _From(self.app, client)  # type: ignore[assignment]
        try:
            return await self.listener.answer(raw, named, method=method, path=BEACONS_PATH + key)
        finally:
            self.listener.app = app

    def post(self, body: object = EVENT, **request: Any) -> Answer:
        return asyncio.run(self.answer(body, **request))

    def ends(self) -> list[tuple[str, str, str]]:
        """System, code and family of everything in the ledger."""
        return [
            (one.system, one.code, one.family.value)
            for batch in self.listener.memory.batches
            for one in batch.series
        ]


class _From:
    """Requests that come from `client`."""

    def __init__(self, app: IngestApp, client: str) -> None:
        self._app = app
        self._client = client

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await self._app({**scope, "client": (self._client, 50000)}, receive, send)


__all__ = ["DESK", "EVENT", "INGEST_PATH", "KEY", "OLD_KEY", "OTHER_KEY", "SHOP", "Browsers"]


def refused(browsers: Browsers, answer: Answer, status: int, reason: str) -> None:
    """It says so, is counted once under its reason, and no event is."""
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert browsers.listener.value("refused_requests_total", reason=reason) == 1
    assert browsers.listener.value("requests_total", status=str(status)) == 1
    assert browsers.listener.logged[-1] == reason
    assert browsers.ends() == []
