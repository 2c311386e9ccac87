"""Beacons: who may send them, what is counted, and what is said of it."""

import asyncio
import json
from pathlib import Path

import pytest

from exporter.beacons.buckets import Limit
from exporter.errors import LedgerUnavailable
from exporter.ledger.contract import Batch, Receipt
from exporter.taxonomy import Taxonomy
from tests.beacons.browsers import (
    DESK,
    EVENT,
    INGEST_PATH,
    KEY,
    OLD_KEY,
    OTHER_KEY,
    SHOP,
    SITES,
    Browsers,
)
from tests.ingest.listener import Answer, Listener, Stream

ALLOW = b"access-control-allow-origin"


def refused(browsers: Browsers, answer: Answer, status: int, reason: str) -> None:
    """It says so, is counted once under its reason, and no event is."""
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert browsers.listener.value("refused_requests_total", reason=reason) == 1
    assert browsers.listener.value("requests_total", status=str(status)) == 1
    assert browsers.listener.logged[-1] == reason
    assert browsers.ends() == []


def test_an_event_is_counted_for_the_keys_system_and_nothing_is_said(browsers: Browsers) -> None:
    answer = browsers.post()
    assert (answer.status, answer.body) == (204, b"")
    assert browsers.ends() == [("streampixel", "4001", "ends")]
    assert browsers.listener.value("accepted_events_total") == 1
    assert browsers.listener.value("requests_total", status="204") == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain;charset=UTF-8", "application/json", "Application/JSON"]
)
def test_several_events_in_text_or_json(browsers: Browsers, kind: str) -> None:
    events = [{"id": "a", "code": 4001}, {"id": "b", "code": "1006", "final": False}]
    assert browsers.post(events, content_type=kind).status == 204
    assert browsers.ends() == [
        ("streampixel", "4001", "ends"),
        ("streampixel", "1006", "interruptions"),
    ]


def test_two_keys_of_a_site_are_valid_at_once(browsers: Browsers) -> None:
    assert browsers.post({"id": "a"}).status == 204
    assert browsers.post({"id": "b"}, key=OLD_KEY).status == 204
    assert len(browsers.ends()) == 2


@pytest.mark.parametrize("key", ["nobody's", "sha256:0", KEY + "x", KEY[:-1], KEY.upper()])
def test_an_unknown_key_is_404_and_counted_apart_from_paths(browsers: Browsers, key: str) -> None:
    refused(browsers, browsers.post(key=key), 404, "unknown_key")


@pytest.mark.parametrize("key", ["", f"{KEY}/", f"x/{KEY}"])
def test_a_path_with_no_key_or_more_than_one_segment_is_none(browsers: Browsers, key: str) -> None:
    refused(browsers, browsers.post(key=key), 404, "not_found")


def test_the_key_is_in_no_answer_and_no_log(
    browsers: Browsers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        browsers.post(origin="https://evil.example"),
        browsers.post(b"{"),
        browsers.post({}),
        browsers.post(method="GET"),
    ]
    said = b"".join(answer.body for answer in answers).decode() + capsys.readouterr().err
    assert KEY not in said


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_nothing_is_read_with_a_key(browsers: Browsers, method: str) -> None:
    browsers.post()
    answer = browsers.post(method=method)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"POST, OPTIONS")
    for path in (f"/v1/session-ends?key={KEY}", f"/v1/beacons/{KEY}/events", "/metrics"):
        found = browsers.listener.post(b"", {b"origin": SHOP.encode()}, path=path, method="GET")
        assert found.status in (404, 405)


def test_an_answer_does_not_say_whether_an_id_was_counted_before(browsers: Browsers) -> None:
    """Fails when duplicates are named, or conflicts: with a public key anybody could ask."""
    answers = [
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4002}),
    ]
    assert {(one.status, one.body, frozenset(one.headers.items())) for one in answers} == {
        (204, b"", frozenset(answers[0].headers.items()))
    }
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.value("rejected_events_total", reason="conflict") == 1


def test_a_retry_is_a_duplicate_although_its_age_is_measured_anew(browsers: Browsers) -> None:
    """Fails when an age is part of an event's print: every retry was a conflict."""
    browsers.post({"id": "a", "code": 4001, "age_seconds": 0.25, "duration_seconds": 9})
    browsers.listener.now += 31.7
    browsers.post({"id": "a", "code": 4001, "age_seconds": 32.1, "duration_seconds": 9})
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.total("rejected_events_total") == 0


def test_ids_are_a_sites_own(browsers: Browsers) -> None:
    """Fails without the site in the key: whoever knew a session's id took its event away."""
    browsers.post({"id": "s-91", "code": 1000})
    trusted = {"system": "streampixel", "id": "s-91", "code": 4001}
    answer = browsers.listener.send(trusted)
    assert answer.json == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_what_is_rejected_is_named_and_the_rest_is_counted(browsers: Browsers) -> None:
    events = [{"id": "a"}, {"id": "b", "phase": "x"}, {"id": "c"}, 5]
    answer = browsers.post(events)
    assert answer.status == 200
    assert set(answer.json) == {"rejected"}
    assert [(one["index"], one["reason"]) for one in answer.json["rejected"]] == [
        (1, "invalid_field"),
        (3, "not_an_object"),
    ]
    assert len(browsers.ends()) == 2


def test_another_system_than_the_keys_is_rejected_by_its_own_reason(browsers: Browsers) -> None:
    answer = browsers.post(
        [{"id": "a", "system": "streampixel"}, {"id": "b", "system": "softdrive"}]
    )
    (one,) = answer.json["rejected"]
    assert (one["index"], one["reason"]) == (1, "foreign_system")
    assert "'streampixel'" in one["message"]
    assert browsers.listener.value("rejected_events_total", reason="foreign_system") == 1


# --- origins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [SHOP, "https://www.shop.example"])
def test_an_allowed_origin_is_answered_by_name_and_without_credentials(
    browsers: Browsers, origin: str
) -> None:
    headers = browsers.post(origin=origin, cookie="session=1").headers
    assert headers[ALLOW] == origin.encode()
    assert headers[b"vary"] == b"origin"
    assert headers[b"access-control-expose-headers"] == b"retry-after"
    assert not {b"access-control-allow-credentials", b"set-cookie"} & set(headers)


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "*", SHOP + "/", SHOP + ":443", SHOP.upper()),
        *("http://shop.example", "https://shop.example.evil.example", "https://x.shop.example"),
        *(DESK, f"{SHOP}, https://www.shop.example", "https://shop.exampl", ""),
    ],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_any_other_origin_is_403_and_may_not_read_the_answer(
    browsers: Browsers, origin: str, method: str
) -> None:
    answer = browsers.post(origin=origin, method=method)
    refused(browsers, answer, 403, "origin_not_allowed")
    assert ALLOW not in answer.headers
    assert answer.headers[b"vary"] == b"origin"


def test_without_an_origin_it_is_no_browser(browsers: Browsers) -> None:
    answer = browsers.post(origin=None)
    refused(browsers, answer, 403, "origin_not_allowed")
    assert "no Origin" in answer.json["detail"]


def test_a_preflight_is_answered_without_a_body_and_counts_nothing(browsers: Browsers) -> None:
    asked = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "content-type",
    }
    answer = browsers.post(b"", method="OPTIONS", **asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {
        ALLOW: SHOP.encode(),
        b"vary": b"origin",
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": b"content-type",
        b"access-control-max-age": b"7200",
    }
    assert browsers.ends() == []


def test_a_refusal_can_be_read_by_the_page_that_sent(browsers: Browsers) -> None:
    """Fails when refusals have no CORS headers: a script then sees a network error, and tries for ever."""
    for body, status in ((b"{", 400), ([], 422), (b"x" * 70_000, 413), ({"id": 5}, 422)):
        answer = browsers.post(body)
        assert (answer.status, answer.headers[ALLOW]) == (status, SHOP.encode())
    assert browsers.post(content_type="image/png").headers[ALLOW] == SHOP.encode()


# --- refusals before the body ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"content_type": "application/x-ndjson"}, 415, "media_type"),
        ({"content_type": "text/html"}, 415, "media_type"),
        ({"content_type": ""}, 415, "media_type"),
        ({"content_type": "text/plain; charset=latin1"}, 415, "media_type"),
        ({"content_encoding": "gzip"}, 415, "content_encoding"),
        ({"content_length": "65537"}, 413, "body_too_large"),
    ],
)
def test_what_the_headers_say_is_refused_unread(
    browsers: Browsers, headers: dict[str, str], status: int, reason: str
) -> None:
    stream = Stream([b"x" * 1000, b"y"])
    refused(browsers, browsers.post(stream, **headers), status, reason)
    assert stream.read == 0


def test_a_body_of_64_kib_is_taken_and_one_byte_more_is_not(browsers: Browsers) -> None:
    for extra, status in ((0, 204), (1, 413)):
        event = json.dumps({"id": "a", "x": ""}).encode()
        padded = event.replace(b'""', b'"' + b"x" * (65536 - len(event) + extra) + b'"')
        assert len(padded) == 65536 + extra
        assert browsers.post(Stream([padded[:30_000], padded[30_000:]])).status == status


def test_a_body_that_stops_arriving_is_a_timeout_and_one_that_never_began_is_nothing(
    browsers: Browsers,
) -> None:
    refused(browsers, browsers.post(Stream([b"{"], disconnects=True)), 408, "timeout")

    class Gone(Stream):
        async def receive(self) -> dict[str, object]:  # type: ignore[override]
            return {"type": "http.disconnect"}

    assert browsers.post(Gone([])).status == 0


# --- rates ----------------------------------------------------------------------------------------------


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


# --- the ledger ------------------------------------------------------------------------------------------


def test_when_the_ledger_cannot_take_it_the_page_is_told_to_come_again(browsers: Browsers) -> None:
    browsers.listener.memory.refusal = LedgerUnavailable("disk", retry_after=5)
    answer = browsers.post()
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    assert answer.headers[ALLOW] == SHOP.encode()
    browsers.listener.memory.refusal = None
    assert browsers.post().status == 204


class Slow:
    """A ledger that takes its time; tests nothing else of one."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.full = asyncio.Event()
        self.waiting = 0

    async def commit(self, batch: Batch) -> Receipt:
        self.waiting += len(batch)
        if self.waiting >= 10:
            self.full.set()
        await self.go.wait()
        return Receipt(len(batch))


def test_beacons_fill_no_more_than_their_share_of_the_queue(
    taxonomy: Taxonomy, tmp_path: Path
) -> None:
    """Fails without the share: while the disk hung, browsers took the places of all other senders."""

    async def run() -> tuple[list[Answer], Answer]:
        browsers = Browsers(taxonomy, tmp_path, queue_events=10)
        slow = Slow()
        browsers.listener.pipeline._ledger = slow  # type: ignore[assignment]
        first = [
            asyncio.create_task(browsers.answer([{"id": f"{number}-{at}"} for at in range(5)]))
            for number in range(2)
        ]
        await slow.full.wait()
        # Without the share it waits for the ledger, as everybody then does.
        more = await asyncio.wait_for(browsers.answer(EVENT), 5)
        slow.go.set()
        answers = [await one for one in first]
        assert (await browsers.answer({"id": "after"})).status == 204
        return answers, more

    answers, more = asyncio.run(run())
    assert [one.status for one in answers] == [204, 204]
    assert (more.status, more.json["reason"]) == (503, "queue_full")
    assert more.headers[ALLOW] == SHOP.encode()


# --- the file ------------------------------------------------------------------------------------------


def test_a_key_that_is_taken_out_of_the_file_is_refused_a_second_later(browsers: Browsers) -> None:
    assert browsers.post({"id": "a"}, key=OLD_KEY).status == 204
    lines = SITES.replace(f', "{SITES.split(chr(34))[3]}"', "")
    assert lines != SITES
    browsers.file.write_text(lines)
    browsers.now += 1.5
    assert browsers.post({"id": "b"}, key=OLD_KEY).status == 404
    assert browsers.post({"id": "c"}).status == 204


def test_without_the_setting_there_is_no_such_path(taxonomy: Taxonomy) -> None:
    answer = Listener(taxonomy).post(b"{}", {b"origin": SHOP.encode()}, path=f"/v1/beacons/{KEY}")
    assert (answer.status, answer.json["reason"]) == (404, "not_found")
