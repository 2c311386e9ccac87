"""CORS, and the checks before a body is read."""

import json
from itertools import product

import pytest

from exporter import names
from tests.beacons.browsers import ALLOW, DESK, KEY, SHOP, Browsers
from tests.ingest.listener import Stream

CREDENTIALS = b"access-control-allow-credentials"


@pytest.mark.parametrize("origin", [SHOP, "https://www.shop.example"])
def test_allowed_origin_is_answered_by_name_with_credentials(
    browsers: Browsers, origin: str
) -> None:
    """Credentials are allowed for `sendBeacon`, which always sends them; they change no answer."""
    answer = browsers.post(origin=origin, cookie="session=1", authorization="Basic eDp5")
    assert answer.headers == {
        ALLOW: origin.encode(),
        CREDENTIALS: b"true",
        b"vary": b"origin",
        b"access-control-expose-headers": b"retry-after",
    }
    assert answer == browsers.post(origin=origin)


@pytest.mark.parametrize(
    ("method", "origin"),
    [
        ("OPTIONS", DESK),
        *product(("POST",), (None, "null", "*", SHOP + "/", SHOP + ":443", SHOP.upper(), DESK)),
        *product(("POST",), ("http://shop.example", f"{SHOP}.evil.example", f"{SHOP}, {SHOP}")),
    ],
)
def test_other_origins_are_403_and_can_not_read_the_answer(
    browsers: Browsers, method: str, origin: str | None
) -> None:
    answer = browsers.post(origin=origin, method=method)
    browsers.assert_refused(answer, 403, "origin_not_allowed")
    wrong = f"origin {origin!r} is not one of the site's origins"
    fault = wrong if origin else "the request has no Origin header"
    assert answer.json["detail"] == f"site 'shop': {fault}"
    assert not {ALLOW, CREDENTIALS} & set(answer.headers)
    assert answer.headers[b"vary"] == b"origin"


def test_preflight_is_204_and_counts_nothing(browsers: Browsers) -> None:
    requested = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "content-type",
    }
    answer = browsers.post(b"", method="OPTIONS", **requested)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {
        ALLOW: SHOP.encode(),
        CREDENTIALS: b"true",
        b"vary": b"origin",
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": b"content-type",
        b"access-control-max-age": b"7200",
    }
    assert browsers.ends() == []


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"content_type": "application/x-ndjson"}, 415, "media_type"),
        ({"content_type": ""}, 415, "media_type"),
        ({"content_type": "text/plain; charset=latin1"}, 415, "media_type"),
        ({"content_encoding": "br"}, 415, "content_encoding"),
        ({"content_length": "65537"}, 413, "body_too_large"),
    ],
)
def test_wrong_headers_are_refused_before_the_body_is_read(
    browsers: Browsers, headers: dict[str, str], status: int, reason: str
) -> None:
    stream = Stream([b"x" * 1000, b"y"])
    answer = browsers.post(stream, **headers)
    browsers.assert_refused(answer, status, reason)
    assert answer.headers[ALLOW] == SHOP.encode()
    assert stream.read == 0


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), ([], 422), (b"x" * 70_000, 413), ({"id": 5}, 422)]
)
def test_refusal_of_a_body_can_be_read_by_its_page(
    browsers: Browsers, body: object, status: int
) -> None:
    """Fails without CORS headers: the script then sees a network error and retries forever."""
    answer = browsers.post(body)
    assert (answer.status, answer.headers[ALLOW]) == (status, SHOP.encode())


@pytest.mark.parametrize(("size", "status"), [(65536, 204), (65537, 413)])
def test_body_has_at_most_64_kib(browsers: Browsers, size: int, status: int) -> None:
    event = json.dumps({"id": "a", "x": ""}).encode()
    padded = event.replace(b'""', b'"' + b"x" * (size - len(event)) + b'"')
    assert browsers.post(Stream([padded[:30_000], padded[30_000:]])).status == status


def test_bytes_without_a_content_type_are_counted(browsers: Browsers) -> None:
    """Fails when Content-Type is required: `sendBeacon` sends an ArrayBuffer without a Content-Type."""
    headers = {b"origin": SHOP.encode()}
    answer = browsers.listener.post(b'{"id": "a"}', headers, path=names.BEACONS_PATH + KEY)
    assert (answer.status, browsers.ends()) == (204, [("streampixel", "1000", "ends")])


def test_sender_that_leaves_gets_no_answer(browsers: Browsers) -> None:
    assert browsers.post(Stream([])).status == 0
