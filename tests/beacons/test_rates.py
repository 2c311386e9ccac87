"""Rate limits: only senders above the limit are refused."""

import asyncio
import json
from pathlib import Path

import pytest
from starlette.types import Message

from exporter.taxonomy.model import Taxonomy
from exporter.token_bucket import Limit
from tests.beacons.conftest import ALLOW, DESK, KEY, OLD_KEY, OTHER_KEY, SHOP, SITES, Browsers
from tests.e2e.exporter_process import ExporterProcess
from tests.ingest.listener import Answer, Stream


class Delayed(Stream):
    """A body that arrives after other requests were admitted."""

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        return await super().receive()


def test_address_above_its_rate_is_429_and_others_are_not(browsers: Browsers) -> None:
    assert browsers.statuses(21) == [204] * 20 + [429]
    stream = Stream([b"x" * 100])
    answer = browsers.post(stream)
    assert stream.read == 0
    assert (answer.status, answer.headers[b"retry-after"]) == (429, b"1")
    assert answer.json["reason"] == "rate_limited"
    assert answer.json["detail"] == (
        "site 'shop': at most 5 events/s from one address; every KiB of a beacon, or part of one, "
        "counts as an event"
    )
    assert b"connection" not in answer.headers
    assert answer.headers[ALLOW] == SHOP.encode()
    assert browsers.post({"id": "x"}, client="192.0.2.8").status == 204
    assert browsers.listener.send({"system": "streampixel", "id": "s"}).status == 200
    browsers.now += 0.2
    assert browsers.post({"id": "y"}).status == 204


def test_empty_beacon_counts_as_an_event(browsers: Browsers) -> None:
    """Fails when an empty body is charged less than no KiB: a flood of empty beacons had no limit."""
    assert [browsers.post(b"").status for _ in range(21)] == [400] * 20 + [429]


def test_hosts_of_one_ipv6_network_share_a_bucket(browsers: Browsers) -> None:
    statuses = [
        browsers.post({"id": str(number)}, client=f"2001:db8:0:1::{number:x}").status
        for number in range(40)
    ]
    assert statuses.count(429) == 20


def test_site_above_its_own_rate_is_429_and_other_sites_are_not(browsers: Browsers) -> None:
    """Fails without the rate limit per site; the entry of `desk` allows 2 events/s and a burst of 4."""

    def desk(number: int) -> Answer:
        client = f"1.1.1.{number}"
        return browsers.post({"id": str(number)}, key=OTHER_KEY, origin=DESK, client=client)

    answers = [desk(number) for number in range(6)]
    assert [answer.status for answer in answers] == [204] * 4 + [429] * 2
    assert "site 'desk': at most 2 events/s with its keys;" in answers[-1].json["detail"]
    assert browsers.post().status == 204
    browsers.now += 0.5
    assert desk(7).status == 204


def test_keys_of_a_site_share_its_rate(taxonomy: Taxonomy, tmp_path: Path) -> None:
    browsers = Browsers(taxonomy, tmp_path, site_limit=Limit(1, 4))
    assert browsers.statuses(3, key=KEY) + browsers.statuses(3, key=OLD_KEY) == (
        [204] * 4 + [429] * 2
    )


def test_events_of_a_batch_cost_a_token_each(browsers: Browsers) -> None:
    """Fails when only requests are charged: a hundred events cost one token."""
    assert browsers.post([{"id": str(number)} for number in range(40)]).status == 204
    assert browsers.post().headers[b"retry-after"] == b"5"
    browsers.now += 4.3
    assert browsers.post({"id": "later"}).status == 204


def test_body_that_is_not_json_costs_its_bytes(browsers: Browsers) -> None:
    """Fails when bytes are charged after decoding."""
    assert browsers.post(b"{" * 30 * 1024).status == 400
    assert browsers.post().headers[b"retry-after"] == b"3"


def test_events_and_their_bytes_are_not_charged_twice(browsers: Browsers) -> None:
    events = [{"id": f"{number:100}"} for number in range(15)]
    assert 1024 < len(json.dumps(events)) < 3 * 1024
    assert browsers.post(events).status == 204
    assert browsers.statuses(10).count(204) == 5


@pytest.mark.parametrize(
    ("clients", "count", "retry_after", "paid"),
    [
        (["192.0.2.7"] * 20, 100, b"20", 1),
        (["192.0.2.7"] * 20, 60, b"12", 1),
        ([f"192.0.2.{number}" for number in range(100)], 100, b"2", 3),
    ],
    ids=["of an address", "of an address, below 1 KiB", "of many addresses"],
)
def test_simultaneous_batches_make_one_debt(
    browsers: Browsers, clients: list[str], count: int, retry_after: bytes, paid: float
) -> None:
    """Fails when admitted requests are charged without a check, or only to the bucket of the address: a
    hundred addresses sent 10,000 events, and the other visitors of the site were refused for minutes."""

    async def post_at_once() -> list[Answer]:
        """`count` events from each client, all admitted before a body arrives."""
        bodies = [[{"id": f"{place}-{n}"} for n in range(count)] for place in range(len(clients))]
        streams = [Delayed([json.dumps(body).encode()]) for body in bodies]
        return await asyncio.gather(
            *(
                browsers.answer(stream, client=client)
                for stream, client in zip(streams, clients, strict=True)
            )
        )

    answers = asyncio.run(post_at_once())
    assert [answer.status for answer in answers] == [204] + [429] * (len(clients) - 1)
    refused = answers[-1]
    assert refused.json["reason"] == "rate_limited"
    assert refused.headers[b"retry-after"] == retry_after
    assert refused.headers[ALLOW] == SHOP.encode()
    assert len(browsers.ends()) == count
    browsers.now += paid
    assert browsers.post({"id": "a visitor's"}, client="198.51.100.1").status == 204


def test_trusted_proxy_names_the_address_whose_rate_is_limited(tmp_path: Path) -> None:
    sites = tmp_path / "sites.yaml"
    sites.write_text(SITES)
    settings = {
        "labels": "region",
        "beacon_keys_file": sites,
        "beacon_address_rate": 0.01,
        "beacon_address_burst": 1,
        "trusted_proxies": "127.0.0.1",
    }
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:

        def status(address: str) -> int:
            headers = {"Origin": SHOP, "X-Forwarded-For": f"203.0.113.9, {address}"}
            body = b'{"id":"a","code":4001}'
            return exporter.request("ingest", "POST", f"/v1/beacons/{KEY}", body, headers).status

        assert status("198.51.100.1") == 204
        assert status("198.51.100.1") == 429
        assert status("198.51.100.2") == 204
