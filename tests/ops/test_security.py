"""Authentication by bearer token and by password, and security headers."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from exporter import names
from exporter.tokens import Authenticator
from tests.ops.ops_app import Clock, Ops
from tests.ops.test_app import PATHS

TOKEN = "0123456789abcdef:with-a-colon"
BASE64 = "0123456789abcdef"
"""A token that could be the credentials of Basic."""
OPEN = {names.HEALTHY_PATH, names.READY_PATH}


@pytest.fixture
def ops(tmp_path: Path) -> Ops:
    """An app with a token file; throttling begins after 10 wrong tokens without a pause."""
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n{BASE64}\n")
    path.chmod(0o600)
    clock = Clock()
    return Ops(authenticator=Authenticator(path, clock), clock=clock)


def basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


def test_every_path_needs_a_token_also_without_a_route(ops: Ops) -> None:
    """Without the Basic challenge, a browser shows the refusal and does not ask for a password."""
    for path in (*(set(PATHS) - OPEN), "/no/such/path"):
        ops.clock.now += 1
        refused = ops.get(path)
        assert refused.status_code == 401, path
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers.get_list("www-authenticate") == [
            'Bearer realm="session-end-exporter"',
            'Basic realm="session-end-exporter", charset="UTF-8"',
        ]
        assert ops.get(path, authorization=f"Bearer {TOKEN}").status_code in (200, 404)


def test_refused_sender_of_events_learns_that_this_is_the_ops_listener(ops: Ops) -> None:
    """A sender has a token of the ingest listener, which the ops listener refuses."""
    answer = ops.get(names.INGEST_PATH, "POST", authorization="Bearer of-the-ingest-listener")
    assert answer.status_code == 401
    assert answer.json()["detail"].endswith(
        "; this is the ops listener, events go to the ingest listener"
    )
    assert "listener" not in ops.get(names.CODES_PATH).json()["detail"]


def test_health_needs_no_token_but_similar_paths_do(ops: Ops) -> None:
    assert {ops.get(path).status_code for path in OPEN} == {200}
    for path in ("/-/ready/", "//-/ready", "/-/healthy/../../metrics"):
        assert ops.get(path).status_code == 401


def test_token_is_the_password_of_any_user(ops: Ops) -> None:
    for user in ("", "on-call", "Jörg"):
        password = basic(f"{user}:{TOKEN}")
        for authorization in (password, password.replace(" ", "  "), f"Bearer {BASE64}"):
            assert ops.get("/codes", authorization=authorization).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        basic("user:wrong"),
        f"Basic {TOKEN}",
        "Basic",
        "Basic ====",
        f"Digest {TOKEN}",
    ],
)
def test_other_credentials_are_refused(ops: Ops, authorization: str) -> None:
    assert ops.get("/codes", authorization=authorization).status_code == 401


def test_two_authorization_headers_are_refused(ops: Ops) -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
    assert asyncio.run(ops.send("/metrics", headers=headers)).status_code == 401


def test_wrong_passwords_are_throttled_by_peer_address(ops: Ops) -> None:
    """X-Forwarded-For is ignored, and a valid token passes."""
    for attempt in range(10):
        ops.get("/metrics", authorization=basic("u:wrong"), x_forwarded_for=f"203.0.113.{attempt}")
    assert ops.get("/metrics", authorization=basic("u:wrong")).status_code == 429
    assert ops.get("/metrics", authorization=basic(f"u:{TOKEN}")).status_code == 200


def test_every_answer_has_the_security_headers(ops: Ops) -> None:
    for app in (ops, Ops()):
        for path in (*PATHS, "/no/such/path"):
            headers = app.get(path).headers
            if path not in OPEN:
                policy = headers["content-security-policy"]
                assert policy.startswith("default-src 'none'; style-src 'sha256-")
                assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
