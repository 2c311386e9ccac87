"""Authentication before every route, by bearer token and by password, and headers on every answer."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from exporter import names
from exporter.tokens import Authenticator, Throttle, Tokens
from tests.ops.asking import Clock, Ops
from tests.ops.test_app import PATHS

TOKEN = "0123456789abcdef:with-a-colon"
OPEN = {names.HEALTHY_PATH, names.READY_PATH}


@pytest.fixture
def ops(tmp_path: Path) -> Ops:
    """With a token file; 100 wrong tokens of an address are let pass."""
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    path.chmod(0o600)
    clock = Clock()
    return Ops(gate=Authenticator(Tokens(path, clock), Throttle(clock, burst=100)))


def basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


def test_every_path_needs_a_token_even_without_a_route(ops: Ops) -> None:
    for path in (*(set(PATHS) - OPEN), "/no/such/path"):
        refused = ops.get(path)
        assert refused.status == 401, path
        assert refused.headers["content-type"] == "application/problem+json"
        assert ops.get(path, authorization=f"Bearer {TOKEN}").status in (200, 404)


def test_health_needs_no_token_but_paths_like_it_do(ops: Ops) -> None:
    assert {ops.get(path).status for path in OPEN} == {200}
    for path in ("/-/ready/", "//-/ready", "/-/healthy/../../metrics"):
        assert ops.get(path).status == 401


def test_the_token_is_the_password_of_any_user(ops: Ops) -> None:
    """Fails without the conversion to a bearer token."""
    for user in ("", "on-call", "Jörg"):
        assert ops.get("/codes", authorization=basic(f"{user}:{TOKEN}")).status == 200


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
    assert ops.get("/codes", authorization=authorization).status == 401


def test_a_refusal_asks_for_a_token_or_a_password(ops: Ops) -> None:
    """Fails without the Basic challenge: a browser then shows the refusal and asks for nothing."""
    headers = asyncio.run(ops.send("/codes", "GET", [])).all("www-authenticate")
    assert headers == [
        'Bearer realm="session-end-exporter"',
        'Basic realm="session-end-exporter", charset="UTF-8"',
    ]


def test_two_authorization_headers_are_none(ops: Ops) -> None:
    headers = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"authorization", b"Bearer other")]
    assert asyncio.run(ops.send("/metrics", "GET", headers)).status == 401


def test_wrong_passwords_are_limited_by_the_peers_address(ops: Ops) -> None:
    """Whatever X-Forwarded-For says. A valid token passes all the same."""
    for attempt in range(100):
        ops.get("/metrics", authorization=basic("u:wrong"), x_forwarded_for=f"203.0.113.{attempt}")
    assert ops.get("/metrics", authorization=basic("u:wrong")).status == 429
    assert ops.get("/metrics", authorization=basic(f"u:{TOKEN}")).status == 200


def test_every_answer_has_the_security_headers(ops: Ops) -> None:
    for answers in (ops, Ops()):
        for path in (*PATHS, "/no/such/path"):
            headers = answers.get(path).headers
            if path not in OPEN:
                policy = headers["content-security-policy"]
                assert policy.startswith("default-src 'none'; style-src 'sha256-")
                assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
