"""Which pages may send, and what is refused before a body is read."""

import json

import pytest

from tests.beacons.browsers import (
    DESK,
    SHOP,
    Browsers,
    refused,
)
from tests.ingest.listener import Stream

ALLOW = b"access-control-allow-origin"


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
        body = Stream([padded[:30_000], padded[30_000:]])
        assert browsers.post(body, client=f"192.0.2.{extra}").status == status


def test_a_body_that_stops_arriving_is_a_timeout_and_one_that_never_began_is_nothing(
    browsers: Browsers,
) -> None:
    refused(browsers, browsers.post(Stream([b"{"], disconnects=True)), 408, "timeout")

    class Gone(Stream):
        async def receive(self) -> dict[str, object]:  # type: ignore[override]
            return {"type": "http.disconnect"}

    assert browsers.post(Gone([])).status == 0
