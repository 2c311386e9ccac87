"""The ingest listener with the beacons of two sites, without a socket, and requests as browsers send them."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exporter.beacons.route import MAX_BODY, BeaconRoute
from exporter.beacons.sites import hash_key, read_sites
from exporter.ingest.app import IngestApp
from exporter.ingest.guard import Guard
from exporter.names import BEACONS_PATH
from exporter.settings import Settings
from exporter.taxonomy.model import Taxonomy
from exporter.token_bucket import Limit
from exporter.tokens import Authenticator
from exporter.watched import Watched
from tests.ingest.conftest import taxonomy
from tests.ingest.listener import LABELS, Answer, Listener, Stream

__all__ = ["taxonomy"]

KEY, OLD_KEY, OTHER_KEY = "key-of-the-shop-now", "key-of-the-shop-before", "key-of-the-desk"
SHOP, DESK = "https://shop.example", "http://desk.example:8080"
ALLOW = b"access-control-allow-origin"
EVENT = {"id": "e-1", "code": 4001, "session_id": "s-91"}
SITES = f"""\
sites:
  - site: shop
    system: streampixel
    origins: [{SHOP}, https://www.shop.example]
    keys: ["{hash_key(KEY)}", "{hash_key(OLD_KEY)}"]
    labels:
      region: [eu-west, us-east]
  - site: desk
    system: softdrive
    origins: ["{DESK}"]
    keys: ["{hash_key(OTHER_KEY)}"]
    rate: 2
    burst: 4
"""


class Browsers:
    """`post` sends as a page of the shop. `now` is the clock of rate limits, `listener.now` the wall
    clock."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        folder: Path,
        *,
        site_limit: Limit = Limit(50, 100),  # noqa: B008
    ) -> None:
        self.file = folder / "sites.yaml"
        self.file.write_text(SITES)
        self.now = 1000.0
        self.listener = Listener(taxonomy)
        rate, burst = site_limit
        settings = Settings(labels=LABELS, beacon_rate=rate, beacon_burst=burst)
        route = BeaconRoute(
            Watched(
                (self.file,),
                partial(read_sites, settings, taxonomy),
                "file of beacon keys",
                lambda: self.now,
            ),
            self.listener.pipeline,
            Guard(Authenticator(None), MAX_BODY, 10 * MAX_BODY),
            Limit(5, 20),
            clock=lambda: self.now,
        )
        self.listener.app = IngestApp(
            self.listener.pipeline,
            self.listener.refused,
            routes={BEACONS_PATH: route},
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
        """`body` is a JSON value, raw bytes, or a `Stream`."""
        raw = body if isinstance(body, bytes | Stream) else json.dumps(body).encode()
        named = {
            b"content-type": b"text/plain;charset=UTF-8",
            **({b"origin": origin.encode()} if origin is not None else {}),
            **{name.replace("_", "-").encode(): value.encode() for name, value in headers.items()},
        }
        path = BEACONS_PATH + key
        return await self.listener.answer(raw, named, method=method, path=path, client=client)

    def post(self, body: object = EVENT, **request: Any) -> Answer:
        return asyncio.run(self.answer(body, **request))

    def statuses(self, count: int, **request: Any) -> list[int]:
        """The statuses of the answers to several beacons of one event each."""
        return [self.post({"id": str(number)}, **request).status for number in range(count)]

    def ends(self) -> list[tuple[str, str, str]]:
        """System, code and family of everything in the ledger."""
        return [
            (series.system, series.code, series.family.value)
            for batch in self.listener.memory.batches
            for series in batch.series
        ]

    def assert_refused(self, answer: Answer, status: int, reason: str) -> None:
        """The answer names the refusal, the refusal is counted once, and no event is counted."""
        assert (answer.status, answer.json["reason"]) == (status, reason)
        assert self.listener.value("refused_requests_total", reason=reason) == 1
        assert self.listener.value("requests_total", status=str(status)) == 1
        # docs/browser.md: the exporter does not store a browser's address.
        assert (self.listener.logged[-1], self.listener.clients[-1]) == (reason, "")
        assert self.ends() == []


@pytest.fixture
def browsers(taxonomy: Taxonomy, tmp_path: Path) -> Browsers:
    return Browsers(taxonomy, tmp_path)
