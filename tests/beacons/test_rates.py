"""Who sends too fast is held off, and nobody else is."""

import asyncio
import json
from pathlib import Path

import pytest

from exporter.beacons.buckets import Limit
from exporter.ingest.guard import Message
from exporter.taxonomy import Taxonomy
from tests.beacons.browsers import (
    DESK,
    INGEST_PATH,
    KEY,
    OLD_KEY,
    OTHER_KEY,
    SHOP,
    Browsers,
)
from tests.ingest.listener import Answer, Stream

ALLOW = b"access-control-allow-origin"


class Later(Stream):
    """A body that comes after other requests were let in."""

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        return await super().receive()


def at_once(browsers: Browsers, clients: list[str]) -> list[Answer]:
    """The answers to a hundred events from each, all let in before a body is there."""

    async def run() -> list[Answer]:
        bodies = [
            json.dumps([{"id": f"{place}-{number}"} for number in range(100)]).encode()
            for place in range(len(clients))
        ]
        return await asyncio.gather(
            *(
                browsers.answer(Later([body]), client=client)
                for body, client in zip(bodies, clients, strict=True)
            )
        )

    return asyncio.run(run())


def test_an_address_that_sends_too_fast_is_429_with_retry_after_and_others_are_not(
    browsers: Browsers,
) -> None:
    """Fails without the bucket of addresses."""
    statuses = [browsers.post({"id": str(number)}).status for number in range(21)]
    assert statuses == [204] * 20 + [429]
    answer = browsers.post()
    assert (answer.status, answer.headers[b"retry-after"]) == (429, b"1")
    assert answer.json["reason"] == "rate_limited"
    assert b"connection" not in answer.headers
    assert answer.headers[ALLOW] == SHOP.encode()
    assert browsers.post({"id": "x"}, client="192.0.2.8").status == 204
    browsers.now += 0.2
    assert browsers.post({"id": "y"}).status == 204


def test_a_forged_x_forwarded_for_changes_nothing(browsers: Browsers) -> None:
    """Fails when the header is believed of anybody."""
    statuses = [
        browsers.post({"id": str(number)}, x_forwarded_for=f"198.51.100.{number}").status
        for number in range(40)
    ]
    assert statuses.count(429) == 20


def test_browsers_behind_a_trusted_proxy_have_a_bucket_each(
    taxonomy: Taxonomy, tmp_path: Path
) -> None:
    browsers = Browsers(taxonomy, tmp_path, proxies=("192.0.2.0/24",))
    for number in range(30):
        assert browsers.post({"id": str(number)}, x_forwarded_for=f"1.2.3.{number}").status == 204
    forged = [
        browsers.post({"id": f"f{number}"}, x_forwarded_for=f"5.6.7.{number}, 1.2.4.1").status
        for number in range(30)
    ]
    assert forged.count(429) == 10


def test_hosts_of_one_ipv6_network_share_a_bucket(browsers: Browsers) -> None:
    statuses = [
        browsers.post({"id": str(number)}, client=f"2001:db8:0:1::{number:x}").status
        for number in range(40)
    ]
    assert statuses.count(429) == 20


def test_a_site_has_a_rate_of_its_own_and_other_sites_do_not_feel_it(browsers: Browsers) -> None:
    """Fails without the bucket of sites; desk's entry says 2 a second and 4 at once."""

    def desk(number: int) -> int:
        return browsers.post(
            {"id": str(number)}, key=OTHER_KEY, origin=DESK, client=f"1.1.1.{number}"
        ).status

    assert [desk(number) for number in range(6)] == [204] * 4 + [429] * 2
    assert browsers.post().status == 204
    browsers.now += 0.5
    assert desk(7) == 204


def test_both_keys_of_a_site_have_one_rate(taxonomy: Taxonomy, tmp_path: Path) -> None:
    browsers = Browsers(taxonomy, tmp_path, site=Limit(1, 4))
    statuses = [
        browsers.post({"id": str(number)}, key=(KEY, OLD_KEY)[number % 2]).status
        for number in range(6)
    ]
    assert statuses == [204] * 4 + [429] * 2


def test_events_in_one_request_cost_as_much_as_alone(browsers: Browsers) -> None:
    """Fails when only requests are charged: a hundred events went for the price of one."""
    assert browsers.post([{"id": str(number)} for number in range(40)]).status == 204
    assert browsers.post().headers[b"retry-after"] == b"5"
    browsers.now += 4.3
    assert browsers.post({"id": "later"}).status == 204


@pytest.mark.parametrize("extra", [{"x": "y" * 9000}, {"x": [[]] * 3000}])
def test_each_started_kib_costs_as_much_as_an_event(
    browsers: Browsers, extra: dict[str, object]
) -> None:
    """Fails when events alone are charged: 64 KiB that nobody reads had the price of one event."""
    body = json.dumps({"id": "a", **extra}).encode()
    assert browsers.post(body).status == 204
    left = 20 - -(-len(body) // 1024)
    statuses = [browsers.post({"id": str(number)}).status for number in range(20)]
    assert statuses.count(204) == left


def test_bytes_that_are_no_events_cost_the_same(browsers: Browsers) -> None:
    """Fails when bytes are charged after they are decoded."""
    assert browsers.post(b"{" * 30 * 1024).status == 400
    answer = browsers.post()
    assert (answer.status, answer.headers[b"retry-after"]) == (429, b"3")
    assert "each started KiB of a beacon counts as an event" in answer.json["detail"]


def test_events_and_their_bytes_are_not_charged_twice(browsers: Browsers) -> None:
    events = [{"id": f"{number:100}"} for number in range(15)]
    assert 1024 < len(json.dumps(events)) < 3 * 1024
    assert browsers.post(events).status == 204
    statuses = [browsers.post({"id": str(number)}).status for number in range(10)]
    assert statuses.count(204) == 5


def test_batches_at_once_are_not_worth_more_than_one_after_the_other(browsers: Browsers) -> None:
    """Fails when what was let in is charged without a look: twenty batches were 2,000 events, and the site's
    other visitors were refused for 38 seconds."""
    answers = at_once(browsers, ["192.0.2.7"] * 20)
    assert [one.status for one in answers] == [204] + [429] * 19
    refused = answers[-1]
    assert (refused.json["reason"], refused.headers[b"retry-after"]) == ("rate_limited", b"20")
    assert refused.headers[ALLOW] == SHOP.encode()
    assert len(browsers.ends()) == 100
    browsers.now += 1
    assert browsers.post({"id": "a visitor's"}, client="192.0.2.8").status == 204


def test_batches_of_many_addresses_at_once_are_held_to_the_sites_burst(browsers: Browsers) -> None:
    """Fails when an address's bucket alone is asked again: a hundred of them were 10,000 events."""
    answers = at_once(browsers, [f"192.0.2.{number}" for number in range(100)])
    assert [one.status for one in answers].count(204) == 1
    assert len(browsers.ends()) == 100
    browsers.now += 3
    assert browsers.post({"id": "a visitor's"}, client="198.51.100.1").status == 204


def test_who_is_held_off_is_refused_before_the_body_is_read(browsers: Browsers) -> None:
    for number in range(20):
        browsers.post({"id": str(number)})
    stream = Stream([b"x" * 100])
    assert browsers.post(stream).status == 429
    assert stream.read == 0


def test_session_ends_are_taken_while_beacons_are_not(browsers: Browsers) -> None:
    for _ in range(30):
        browsers.post()
    answer = browsers.listener.post(
        b'{"system":"streampixel","id":"s"}',
        {b"content-type": b"application/json"},
        path=INGEST_PATH,
    )
    assert answer.status == 200
