"""The ASGI application: problems as JSON, closed connections, defects."""

from typing import Any

import pytest

from exporter.errors import (
    LedgerUnavailable,
    OriginNotAllowed,
    RateLimited,
    Refused,
    TooManyRequests,
    Unauthorized,
    UnknownKey,
)
from exporter.ingest.app import IngestApp
from exporter.ingest.routes import Answer as RouteAnswer
from exporter.ingest.routes import Request
from exporter.taxonomy import Taxonomy
from tests.ingest.listener import JSON, Answer, Listener

EVENT = b'{"system":"softdrive","id":"a"}'


class ClosedGate:
    """Refuses everybody with `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def check(self, authorization: bytes | None, client: str) -> None:
        raise self.error


def assert_problem(answer: Answer, status: int, reason: str) -> None:
    assert answer.status == status
    assert answer.headers[b"content-type"] == b"application/problem+json"
    found = answer.json
    assert (found["status"], found["reason"]) == (status, reason)
    assert found["type"].startswith("urn:")
    assert found["title"]
    assert found["detail"]


@pytest.mark.parametrize("path", ["/", "/v1/session-ends/", "/v1", "/metrics", "//v1/session-ends"])
def test_any_other_path_is_404_and_names_the_right_one(listener: Listener, path: str) -> None:
    answer = listener.post(EVENT, path=path)
    assert_problem(answer, 404, "not_found")
    assert "/v1/session-ends" in answer.json["detail"]
    assert answer.headers[b"connection"] == b"close"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_any_other_method_is_405_and_post_is_allowed(listener: Listener, method: str) -> None:
    answer = listener.post(EVENT, method=method)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers[b"allow"] == b"POST"
    assert answer.headers[b"connection"] == b"close"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [(Unauthorized("no"), 401, "unauthorized"), (TooManyRequests("slower"), 429, "throttled")],
)
def test_who_may_not_send_is_told_and_disconnected(
    taxonomy: Taxonomy, error: Exception, status: int, reason: str
) -> None:
    listener = Listener(taxonomy, gate=ClosedGate(error))
    answer = listener.post(EVENT)
    assert_problem(answer, status, reason)
    assert answer.headers[b"connection"] == b"close"
    assert listener.value("refused_requests_total", reason=reason) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (EVENT, {}, 415),
        (EVENT, {**JSON, b"content-length": b"99999999"}, 413),
        (b"x" * 2**21, JSON, 413),
    ],
)
def test_a_refusal_that_leaves_the_body_unread_closes(
    listener: Listener, body: bytes, headers: dict[bytes, bytes], status: int
) -> None:
    answer = listener.post(body, headers)
    assert (answer.status, answer.headers[b"connection"]) == (status, b"close")


def test_a_refusal_of_a_body_that_was_read_keeps_the_connection(listener: Listener) -> None:
    listener.memory.refusal = LedgerUnavailable("disk")
    for body, status in ((b"{", 400), (b"{}", 422), (EVENT, 503)):
        answer = listener.post(body)
        assert answer.status == status
        assert b"connection" not in answer.headers


class Refusing:
    """A route of browsers that refuses with `error`."""

    methods: tuple[str, ...] = ("POST",)

    def __init__(self, error: Refused) -> None:
        self.error = error

    async def take(self, request: Request) -> RouteAnswer | None:
        raise self.error


@pytest.mark.parametrize("error", [OriginNotAllowed("no"), UnknownKey("no"), RateLimited("slower")])
def test_a_refused_browser_keeps_its_connection_unless_it_asked_whether_to_send(
    listener: Listener, error: Refused
) -> None:
    """Fails when the header is not looked at: a body of so many bytes was waited for that the client never
    sends after such an answer, and its next request was taken for it."""
    listener.app = IngestApp(listener.pipeline, listener.own, routes={"/route/": Refusing(error)})
    length = {b"content-length": b"41"}
    assert b"connection" not in listener.post(EVENT, length, path="/route/a").headers
    asking = {**length, b"expect": b"100-continue"}
    answer = listener.post(EVENT, asking, path="/route/a")
    assert (answer.status, answer.headers[b"connection"]) == (error.status, b"close")


def test_a_defect_is_500_says_nothing_of_itself_and_is_counted(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(listener.pipeline, "_decoder", type("Broken", (), {"decode": broken})())
    answer = listener.post(EVENT)
    assert_problem(answer, 500, "internal")
    assert b"secret" not in answer.body
    assert listener.value("refused_requests_total", reason="internal") == 1
    assert listener.value("requests_total", status="500") == 1
    monkeypatch.undo()
    assert listener.post(EVENT).status == 200


def test_a_peer_without_an_address_is_served(listener: Listener) -> None:
    import asyncio

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": EVENT}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "path": "/v1/session-ends",
        "method": "POST",
        "headers": list(JSON.items()),
        "client": None,
    }
    asyncio.run(listener.app(scope, receive, send))
    assert sent[0]["status"] == 200
