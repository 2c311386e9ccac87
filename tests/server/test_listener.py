"""Row 35 of the fault table: the Host of a request, and host names of DNS rebinding."""

import socket

import pytest

from exporter.server.listener import AllowedHosts
from tests.server.conftest import Start, ask, post, problem_of, status


def hosts(listens: str = "127.0.0.1") -> AllowedHosts:
    allowed = ("Exporter.example.com", "*.Svc.cluster.local")
    return AllowedHosts(allowed, listens, ("/health.js", "/public/"))


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    head = (b"GET " + target + b" HTTP/" + version, *lines, b"Connection: close")
    return b"\r\n".join(head) + b"\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        get(),
        get(b"Host: a", b"host: b"),
        get(b"Host: a", b"Host: a", version=b"1.0"),
        get(b"Host: a b"),
        get(b"Host: user@a"),
        get(b"Host: a:b"),
        get(b"Host: ::1"),
        get(b"Host: \xc3\xa4"),
        get(target=b"http://a/"),
    ],
    ids=repr,
)
def test_request_without_exactly_one_valid_host_is_answered_400(
    start: Start, request_: bytes
) -> None:
    """RFC 9112 3.2. Fails without `host_of` in `on_headers_complete`."""
    server = start()
    reply = server.exchange(request_)
    assert status(reply) == 400
    assert "Host" in problem_of(reply)["detail"]
    assert server.refused("unparseable") == 1
    assert not server.received.bodies


def test_any_valid_host_is_served_when_all_hosts_are_allowed(start: Start) -> None:
    server = start()
    for lines in ([b"Host:"], [b"Host: \t a.b:80 "], [b"Host: a:"], [b"Host: [2001:db8::1]:10400"]):
        assert status(server.exchange(get(*lines))) == 200, lines
    assert status(server.exchange(get(version=b"1.0"))) == 200


@pytest.mark.parametrize(
    ("host", "target"),
    [
        *(
            (host, "/")
            for host in ("evil.example", "EVIL.Example.:10400", "evil%2eexample", "127.1")
        ),
        *((f"{own}.evil.example", "/") for own in ("127.0.0.1", socket.gethostname())),
        ("a.exporter.example.com", "/"),
        ("notexporter.example.com", "/"),
        ("svc.cluster.local", "/"),
        # RFC 9112 3.2.2: a whole URL replaces Host.
        ("localhost", "http://evil.example/"),
        ("evil.example", "http://evil.example/health.js"),
        *(("evil.example", path) for path in ("/health_js", "/health.js/x", "/public")),
        ("evil.example", "/x?/public/"),
        ("evil." * 1000, "/"),
    ],
)
def test_foreign_host_is_answered_421_with_rule_and_setting(
    start: Start, host: str, target: str
) -> None:
    """Fails without `AllowedHosts.check`."""
    server = start(hosts=hosts())
    reply = server.exchange(get(b"Host: " + host.encode(), target=target.encode()))
    assert status(reply) == 421
    detail = problem_of(reply)["detail"]
    assert detail.endswith(" is not allowed: add it to allowed_hosts")
    assert len(detail) < 200
    assert server.refused("host_not_allowed") == server.requests(421) == 1
    assert not server.received.bodies


@pytest.mark.parametrize(
    ("host", "target"),
    [
        *((host, "/") for host in ("LOCALHOST:10401", "localhost.", "a.localhost", "")),
        *((host, "/") for host in ("10.1.2.3:80", "[2001:db8::1]", "exporter-2:10401")),
        ("[::ffff:10.1.2.3]", "/"),
        *((host, "/") for host in ("Exporter.Example.com:443", "a.b.svc.cluster.local")),
        *((host, "/") for host in ("own.example", socket.gethostname())),
        ("evil.example", "http://localhost/"),
        ("evil.example", "http://[::1]:80/"),
        *(("evil.example", path) for path in ("/health.js", "/health.js?x", "/public/key")),
    ],
)
def test_allowed_host_is_served(start: Start, host: str, target: str) -> None:
    server = start(hosts=hosts(listens="own.example"))
    request = get(b"Host: " + host.encode(), target=target.encode())
    assert status(server.exchange(request)) == 200


@pytest.mark.parametrize("line", [b"Connection: close, Host", b"Connection: upgrade\r\nUpgrade: a"])
def test_connection_header_does_not_change_the_check(start: Start, line: bytes) -> None:
    """Only a proxy removes headers that Connection names (RFC 9110 7.6.1)."""
    client = start(hosts=hosts()).connect()
    client.sendall(b"GET / HTTP/1.1\r\nHost: evil.example\r\n%s\r\n\r\n" % line)
    assert status(client.recv(4096)) == 421


def test_each_request_of_a_connection_is_checked(start: Start) -> None:
    server = start(hosts=hosts())
    foreign = post(b"second").replace(b"Host: a\r\n", b"Host: evil.example\r\n")
    client = server.connect()
    assert ask(client, post(b"first")).endswith(b"first")
    assert status(ask(client, foreign + post(b"third"))) == 421
    assert server.received.bodies == [b"first"]
    assert server.refused("host_not_allowed") == 1
