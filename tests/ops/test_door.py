"""The gate in front of every route, and the headers behind."""

import asyncio

import pytest

from exporter import names
from tests.ops.asking import TOKEN, Ops, ShutGate
from tests.ops.test_app import PATHS

OPEN = {names.HEALTHY_PATH, names.READY_PATH}


@pytest.mark.parametrize("path", [path for path in PATHS if path not in OPEN] + ["/no/such/path"])
def test_each_path_wants_a_token_even_one_without_a_route(path: str) -> None:
    ops = Ops(gate=ShutGate())
    refused = ops.get(path)
    assert refused.status == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in refused.headers
    assert ops.get(path, authorization=TOKEN.decode()).status in (200, 404)


@pytest.mark.parametrize("path", sorted(OPEN))
def test_health_is_open(path: str) -> None:
    assert Ops(gate=ShutGate()).get(path).status == 200


@pytest.mark.parametrize("path", ["/-/ready/", "//-/ready", "/-/healthy/../../metrics"])
def test_what_only_resembles_health_is_not_open(path: str) -> None:
    assert Ops(gate=ShutGate()).get(path).status == 401


def test_two_authorization_headers_are_none() -> None:
    headers = [(b"authorization", TOKEN), (b"authorization", b"Bearer other")]
    ops = Ops(gate=ShutGate())
    assert asyncio.run(ops.send("/metrics", "GET", headers)).status == 401


def test_the_gate_learns_the_peers_address() -> None:
    gate = ShutGate()
    Ops(gate=gate).get("/metrics", x_forwarded_for="203.0.113.9")
    assert gate.clients == ["192.0.2.7"]


@pytest.mark.parametrize("path", [*PATHS, "/no/such/path"])
@pytest.mark.parametrize("gate", ["open", "shut"])
def test_every_answer_has_the_safe_headers(path: str, gate: str) -> None:
    headers = (Ops(gate=ShutGate()) if gate == "shut" else Ops()).get(path).headers
    if path not in OPEN:
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
