"""Two listeners in one process: their start, their end, and errors that prevent a start."""

import asyncio
import contextlib
import re
import socket

import pytest

from exporter.errors import ConfigError
from exporter.server.resources import bind
from exporter.server.serving import serve
from tests.server.conftest import (
    DEADLINE,
    MIB,
    Echo,
    Start,
    ask,
    make_listener,
    post,
    refuses,
    rest,
    run,
)


def test_both_listeners_answer_and_free_their_ports(start: Start) -> None:
    server = start(None, make_listener(Echo(), "ops"))
    for name, address in server.bound.items():
        with socket.create_connection(address, timeout=DEADLINE) as client:
            reply = ask(client, post(name.encode()))
        assert reply.endswith(b"\r\n\r\n" + name.encode())
        assert re.search(rb"\r\ndate: ", reply)
        assert b"\r\nserver:" not in reply
    server.end()
    assert all(refuses(address) for address in server.bound.values())


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("no-such-host.invalid:80", "the host is unknown: "),
        ("192.0.2.1:80", "Cannot assign requested address"),
        (f"{'a' * 70}.b:80", "the host is unknown: "),
    ],
)
def test_unusable_address_names_the_setting(address: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind("ops", address)
    assert str(caught.value).startswith(f"ops = '{address}': {text}")


def test_port_in_use_names_the_setting_and_frees_the_other_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            free = listening.getsockname()[1]
        address = f"127.0.0.1:{used.getsockname()[1]}"
        ingest = make_listener(Echo(), address=f"127.0.0.1:{free}")
        both = [ingest, make_listener(Echo(), "ops", address=address)]
        with pytest.raises(ConfigError) as caught:
            run(serve(both, 1.0, print, asyncio.Event()))
        assert str(caught.value).startswith(f"ops = '{address}': Address already in use ")
        socket.create_server(("127.0.0.1", free)).close()


def test_localhost_is_every_loopback_address(start: Start) -> None:
    server = start(address="localhost:0")
    with socket.create_connection(("localhost", server.address[1]), timeout=DEADLINE) as client:
        assert ask(client, post(b"x")).endswith(b"x")


def test_all_ipv6_addresses_are_all_addresses() -> None:
    """The health check of the container connects to 127.0.0.1. Fails with one socket for both: it shows the
    peer as ::ffff:127.0.0.1, which is in no IPv4 network of `trusted_proxies`."""
    with contextlib.ExitStack() as opened:
        hosts = {}
        for bound in bind("ops", "[::]:0"):
            host, port = opened.enter_context(bound).getsockname()[:2]
            loopback = "::1" if ":" in host else "127.0.0.1"
            opened.enter_context(socket.create_connection((loopback, port), timeout=DEADLINE))
            accepted, peer = bound.accept()
            accepted.close()
            hosts[host] = peer[0]
    # A machine without IPv6 has no ::1.
    assert hosts | {"::": "::1"} == {"0.0.0.0": "127.0.0.1", "::": "::1"}


# --- the end --------------------------------------------------------------------------------------


def test_stop_closes_idle_connections_and_waits_for_requests(start: Start) -> None:
    server = start(shutdown_timeout=DEADLINE)
    idle, busy = server.connect(), server.connect()
    assert ask(idle, post(b"idle")).endswith(b"idle")
    busy.sendall(post(b"busy", b"/wait"))
    assert server.received.begun.wait(DEADLINE)
    server.stop()
    assert rest(idle) == b""
    assert refuses(server.address)
    assert server.received.bodies == [b"idle"]
    server.received.go.set()
    assert rest(busy).endswith(b"busy")
    server.join()


def test_request_that_does_not_end_is_cancelled_before_serve_returns(start: Start) -> None:
    """Fails without the wait in `shutdown`: uvicorn returns while the cancelled task still runs, and the
    caller then closes the ledger."""
    server = start(shutdown_timeout=0.1)
    server.connect().sendall(post(b"", b"/wait"))
    assert server.received.begun.wait(DEADLINE)
    server.stop()
    server.join()
    assert server.received.cancelled


def test_connection_that_never_reads_does_not_delay_the_end(start: Start) -> None:
    """Fails without the abort in `shutdown`."""
    server = start(shutdown_timeout=0.1)
    client = server.connect()
    client.sendall(post(b"", b"/big"))
    client.recv(10)
    server.stop()
    server.join()
    assert len(rest(client)) < 32 * MIB
