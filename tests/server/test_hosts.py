"""Host: what RFC 9112 wants answered 400, and names that DNS rebinding could have."""

import socket

import pytest

from exporter.server.hosts import AllowedHosts
from tests.server.conftest import Start, document, post, status

ALLOWED = ("exporter.example.com", "*.svc.cluster.local")


def hosts(listens: str = "127.0.0.1") -> AllowedHosts:
    return AllowedHosts(ALLOWED, listens, ("/health", "/public/"))


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    head = (b"GET " + target + b" HTTP/" + version, *lines, b"Connection: close")
    return b"\r\n".join(head) + b"\r\n\r\n"


# --- a valid Host, on every listener --------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        get(),
        get(b"Host: a", b"Host: a"),
        get(b"Host: a", b"host: b"),
        get(b"Host: a", b"Host: a", version=b"1.0"),
        get(b"Host: a b"),
        get(b"Host: a/b"),
        get(b"Host: user@a"),
        get(b"Host: a:b"),
        get(b"Host: a:1:2"),
        get(b"Host: ::1"),
        get(b"Host: [::1"),
        get(b"Host: \xc3\xa4"),
        get(b"Host: a b", target=b"http://a/"),
        get(target=b"http://a/"),
    ],
    ids=repr,
)
def test_request_without_exactly_one_valid_host_is_answered_400(
    start: Start, request_: bytes
) -> None:
    """RFC 9112 3.2. Fails without `_check_host`."""
    server = start()
    reply = server.exchange(request_)
    assert status(reply) == 400
    assert "Host" in document(reply)["detail"]
    assert server.refused("unparseable") == 1
    assert not server.seen.bodies


@pytest.mark.parametrize(
    "request_",
    [
        get(version=b"1.0"),
        get(b"Host:"),
        get(b"Host: evil.example"),
        get(b"Host: \t a.b:80 "),
        get(b"Host: a_b-c"),
        get(b"Host: a:"),
        get(b"Host: [2001:db8::1]:10400"),
        get(b"Host: %61.example"),
    ],
    ids=repr,
)
def test_request_with_a_valid_host_is_served_where_all_hosts_are_allowed(
    start: Start, request_: bytes
) -> None:
    assert status(start().exchange(request_)) == 200


def test_request_that_nominates_host_in_connection_is_served_as_any_other(start: Start) -> None:
    """Only a proxy removes what Connection nominates (RFC 9110 7.6.1); the check must not."""
    server = start(hosts=hosts())
    for host, expected in ((b"localhost", 200), (b"evil.example", 421)):
        lines = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close, Host\r\n\r\n" % host
        assert status(server.exchange(lines)) == expected


# --- an allowed Host, on a listener without a token -----------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:10400",
        "EVIL.Example.",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil%2eexample",
        "example.com",
        "a.exporter.example.com",
        "notexporter.example.com",
        "svc.cluster.local",
        "127.1",
        f"{socket.gethostname()}.evil.example",
    ],
)
def test_foreign_host_is_answered_421_with_rule_and_setting(start: Start, host: str) -> None:
    """Fails without `AllowedHosts.check`."""
    server = start(hosts=hosts())
    reply = server.exchange(get(b"Host: " + host.encode()))
    assert status(reply) == 421
    detail = document(reply)["detail"]
    assert detail.endswith(" is not allowed: add it to allowed_hosts")
    assert server.refused("host_not_allowed") == server.requests(421) == 1
    assert not server.seen.bodies


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:10401",
        "localhost.",
        "a.localhost",
        "127.0.0.1:10401",
        "127.9.8.7",
        "10.1.2.3:80",
        "[::1]:10401",
        "[2001:db8::1]",
        "exporter",
        "exporter-2:10401",
        "exporter.example.com",
        "Exporter.Example.com:443",
        "a.b.svc.cluster.local",
        "own.example",
        socket.gethostname(),
        "",
    ],
)
def test_host_that_is_no_foreign_name_is_allowed(start: Start, host: str) -> None:
    server = start(hosts=hosts(listens="own.example"))
    assert status(server.exchange(get(b"Host: " + host.encode()))) == 200


def test_host_of_a_whole_url_is_the_host_that_is_checked(start: Start) -> None:
    """RFC 9112 3.2.2."""
    server = start(hosts=hosts())
    for target, host, expected in (
        (b"http://evil.example/", b"localhost", 421),
        (b"http://localhost/", b"evil.example", 200),
        (b"http://[::1]:80/", b"evil.example", 200),
        (b"http://evil.example/health", b"evil.example", 421),
    ):
        assert status(server.exchange(get(b"Host: " + host, target=target))) == expected


def test_open_paths_are_answered_for_any_host(start: Start) -> None:
    server = start(hosts=hosts())
    for target, expected in (
        (b"/health", 200),
        (b"/health?x", 200),
        (b"/public/key", 200),
        (b"/healthy", 421),
        (b"/health/x", 421),
        (b"/public", 421),
        (b"/x?/public/", 421),
    ):
        assert status(server.exchange(get(b"Host: evil.example", target=target))) == expected, (
            target
        )


def test_each_request_of_a_connection_is_checked(start: Start) -> None:
    server = start(hosts=hosts())
    foreign = post(b"two").replace(b"Host: a\r\n", b"Host: evil.example\r\n")
    reply = server.exchange(post(b"one") + foreign + post(b"three"))
    assert reply.count(b"HTTP/1.1 200") == 1
    assert server.seen.bodies == [b"one"]
    assert server.refused("host_not_allowed") == 1


def test_request_to_upgrade_is_checked_too(start: Start) -> None:
    server = start(hosts=hosts())
    lines = b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert status(server.exchange(lines)) == 421
