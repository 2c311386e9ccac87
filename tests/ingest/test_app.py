"""The ASGI application: routing, problems as JSON, closed connections, counted refusals and rejections."""

import json

import pytest

from exporter.errors import (
    REFUSED_REASONS,
    REJECTED_REASONS,
    LedgerUnavailable,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    Refused,
    TooManyRequests,
    Unauthorized,
    UnknownKey,
)
from exporter.ingest.app import find_route
from exporter.ingest.guard import LARGE
from exporter.names import LOGS_PATH
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import JSON, Answer, Listener, Refusing, Stream, keyless

EVENT = b'{"system":"softdrive","id":"a"}'
GZIP = {**JSON, b"content-encoding": b"gzip"}
TOO_LARGE = b'{"system":"' + b"x" * 1024**2 + b'"}'


def assert_problem(listener: Listener, answer: Answer, status: int, reason: str) -> None:
    """Assert that the answer is a problem, the refusal is counted once and logged, and no event is
    counted."""
    assert answer.status == status
    assert answer.headers[b"content-type"] == b"application/problem+json"
    problem = answer.json
    assert (problem["status"], problem["reason"]) == (status, reason)
    assert listener.value("refused_requests_total", reason=reason) == 1
    assert listener.total("refused_requests_total") == 1
    assert listener.value("requests_total", status=str(status)) == 1
    assert (listener.logged[-1], listener.clients[-1]) == (reason, "127.0.0.1")
    assert not listener.memory.batches


# --- routes -----------------------------------------------------------------------------------------


def test_route_is_a_fixed_path_or_a_prefix_and_one_segment(listener: Listener) -> None:
    route = listener.app.routes[LOGS_PATH]
    routes = {"/v1/fixed": route, "/v1/prefix/": route}
    assert find_route(routes, "POST", "/v1/fixed") == (route, "")
    assert find_route(routes, "POST", "/v1/prefix/k\u00e9y") == (route, "k\u00e9y")
    for path in (
        *("", "/", "/v1", "/v1/", "/v1/fixed/", "/v1/fixed/x", "/v1/prefix", "/v1/prefix/"),
        *("/v1/prefix/a/b", "/v1/prefix//", "//v1/fixed", "/V1/fixed", "v1/fixed", "/v1/prefix//a"),
    ):
        with pytest.raises(NotFound, match="no such path; session ends are sent to /v1/session-e"):
            find_route(routes, "POST", path)


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "status", "body", "headers", "request_"),
    [
        ("unparseable", 400, b"{", JSON, {}),
        ("unparseable", 400, b"x", GZIP, {}),
        ("not_found", 404, b"{}", JSON, {"path": "/v1/session-end"}),
        ("method_not_allowed", 405, b"", JSON, {"method": "GET"}),
        ("method_not_allowed", 405, b"", JSON, {"method": "GET", "path": LOGS_PATH}),
        ("timeout", 408, Stream([b"{"], disconnects=True), JSON, {}),
        ("body_too_large", 413, TOO_LARGE, JSON, {}),
        ("body_too_large", 413, b"", {**JSON, b"content-length": b"9999999"}, {}),
        ("too_many_events", 413, b"[" + b"1," * 1000 + b"1]", JSON, {}),
        ("media_type", 415, b"{}", {}, {}),
        ("content_encoding", 415, b"{}", {**JSON, b"content-encoding": b"br"}, {}),
        ("nothing_valid", 422, b"[]", JSON, {}),
    ],
)
def test_refusal_is_counted_once_and_closes_if_body_is_unread(
    listener: Listener,
    reason: str,
    status: int,
    body: bytes | Stream,
    headers: dict[bytes, bytes],
    request_: dict[str, str],
) -> None:
    answer = listener.post(body, headers, **request_)
    assert_problem(listener, answer, status, reason)
    assert (b"connection" in answer.headers) == (status not in (400, 422))
    assert answer.headers.get(b"allow") == (b"POST" if status == 405 else None)


@pytest.mark.parametrize(
    ("error", "closes", "closes_after_expect"),
    [
        (Unauthorized("no"), True, True),
        (TooManyRequests("slower"), True, True),
        (OriginNotAllowed("no"), False, True),
        (UnknownKey("no"), False, True),
        (RateLimited("slower"), False, True),
        (LedgerUnavailable("disk"), False, False),
    ],
    ids=lambda value: getattr(value, "reason", value),
)
def test_refusal_of_a_small_body_closes_if_the_body_may_follow(
    taxonomy: Taxonomy, error: Refused, closes: bool, closes_after_expect: bool
) -> None:
    """Fails when `Expect` is ignored: a client that sends it does not send the body after a refusal, and its
    next request was read as the body."""
    listener = Listener(taxonomy, authenticator=Refusing(error))
    for more, closed in (({}, closes), ({b"expect": b"100-continue"}, closes_after_expect)):
        answer = listener.post(EVENT, {**JSON, **more})
        assert answer.status == error.status
        assert (b"connection" in answer.headers) == closed


def test_peer_without_address_is_served(listener: Listener) -> None:
    assert listener.post(EVENT, client=None).status == 200


def test_validation_request_of_a_webhook_is_permitted_without_a_token(taxonomy: Taxonomy) -> None:
    """CloudEvents HTTP webhooks 1.0.2, section 4. An OPTIONS request without the origin is refused."""
    listener = Listener(taxonomy, authenticator=Refusing(Unauthorized("no")))
    origin = {b"webhook-request-origin": b"events.example.com", b"webhook-request-rate": b"120"}
    answer = listener.post(b"", origin, method="OPTIONS")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == {
        b"webhook-allowed-origin": b"events.example.com",
        b"webhook-allowed-rate": b"*",
        b"allow": b"POST",
        b"content-length": b"0",
    }
    assert listener.post(EVENT, {**JSON, **origin}).status == 401
    assert listener.post(b"", {}, method="OPTIONS").status == 401


# --- rejections -------------------------------------------------------------------------------------


def test_rejection_is_counted_once_and_logged(listener: Listener) -> None:
    answer = listener.send({"system": "softdrive", "phase": "x"}, {"system": "softdrive"})
    assert [rejected["reason"] for rejected in answer.json["rejected"]] == ["invalid_field"]
    assert listener.value("rejected_events_total", reason="invalid_field") == 1
    assert listener.total("rejected_events_total") == 1
    assert listener.logged == ["invalid_field"]


@pytest.mark.parametrize("size", [0, LARGE], ids=["small", "large"])
def test_rejection_is_logged_with_the_senders_address(listener: Listener, size: int) -> None:
    for code in ("01", "04"):
        listener.post(json.dumps({**keyless(id="a"), "code": code}).encode() + b" " * size)
    assert listener.post(b'{"code": 1}' + b" " * size).status == 422
    assert listener.logged == ["conflict", "missing_system", "nothing_valid"]
    assert listener.clients == ["127.0.0.1"] * 3


def test_every_reason_is_exported_as_0_from_the_start(listener: Listener) -> None:
    for reason in REJECTED_REASONS:
        assert listener.value("rejected_events_total", reason=reason) == 0
    for reason in REFUSED_REASONS:
        assert listener.value("refused_requests_total", reason=reason) == 0
