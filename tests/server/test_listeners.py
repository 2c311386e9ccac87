"""Two listeners in one process: their start, their end, and errors that prevent a start."""

import asyncio
import contextlib
import errno
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from exporter.errors import ConfigError
from exporter.server.listeners import Listener, serve
from exporter.server.sockets import bind
from tests.server.conftest import (
    DEADLINE,
    answer,
    eventually,
    make_listener,
    refuses,
    respond,
    rest,
)

ROOT = Path(__file__).parents[2]
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def name_path(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, scope["path"].encode())


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, DEADLINE))


def connect(address: Any) -> socket.socket:
    return socket.create_connection(address, timeout=DEADLINE)


def get(address: tuple[str, int], path: bytes, context: ssl.SSLContext | None = None) -> bytes:
    client = connect(address)
    with context.wrap_socket(client) if context else client as client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        return answer(client)


async def during(
    work: Callable[[Any], Any], *listeners: Listener, shutdown_timeout: float = 1.0
) -> Any:
    """Serve, do `work` in a thread with the bound addresses, and stop."""
    stop = asyncio.Event()
    bound: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(listeners, shutdown_timeout, bound.set_result, stop))
    await asyncio.wait([serving, bound], return_when=asyncio.FIRST_COMPLETED)
    if not bound.done():
        return await serving
    try:
        return await asyncio.to_thread(work, bound.result())
    finally:
        stop.set()
        await serving


def test_both_listeners_answer_and_free_their_ports() -> None:
    def work(bound: Any) -> Any:
        assert bound["ingest"] != bound["ops"]
        assert get(bound["ingest"], b"/a").endswith(b"\r\n\r\n/a")
        head = get(bound["ops"], b"/b")
        assert re.search(rb"\r\ndate: ", head)
        assert b"\r\nserver:" not in head
        return bound.values()

    for address in run(during(work, make_listener(name_path), make_listener(name_path, "ops"))):
        with pytest.raises(ConnectionRefusedError):
            connect(address)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("no-such-host.invalid:80", "the host is unknown: "),
        ("192.0.2.1:80", "this machine has no such address"),
        (f"{'a' * 70}.b:80", "the host is unknown: "),
    ],
)
def test_unusable_address_names_the_setting(address: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(during(print, make_listener(name_path, "ops", address=address)))
    assert str(caught.value).startswith(f"ops = '{address}': {text}")


def test_port_in_use_names_the_setting_and_frees_the_other_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            free = listening.getsockname()[1]
        address = f"127.0.0.1:{used.getsockname()[1]}"
        ingest = make_listener(name_path, address=f"127.0.0.1:{free}")
        with pytest.raises(ConfigError) as caught:
            run(during(print, ingest, make_listener(name_path, "ops", address=address)))
        assert str(caught.value).startswith(f"ops = '{address}': the port is in use: ")
        socket.create_server(("127.0.0.1", free)).close()


def test_localhost_is_every_loopback_address() -> None:
    def work(bound: Any) -> bytes:
        return get(("localhost", bound["ops"][1]), b"/x")

    ops = make_listener(name_path, "ops", address="localhost:0")
    assert run(during(work, ops)).endswith(b"/x")


def test_check_of_an_address_accepts_no_connection() -> None:
    """Otherwise the connection of a sender that retries during a restart would be reset."""
    (bound,) = bind("ingest", "127.0.0.1:0", listen=False)
    with bound, socket.socket() as client:
        assert client.connect_ex(bound.getsockname()) == errno.ECONNREFUSED


def test_tls_is_served_and_stalled_handshakes_are_closed(pair: tuple[Path, Path]) -> None:
    """Fails without `ssl_handshake_timeout`: a silent peer stays for 60 s."""
    context = ssl.create_default_context(cafile=str(pair[0]))
    context.check_hostname = False

    def work(bound: Any) -> None:
        assert get(bound["ops"], b"/tls", context).endswith(b"/tls")
        with connect(bound["ops"]) as client:
            assert rest(client) == b""

    run(during(work, make_listener(name_path, "ops", files=pair, receive_timeout=0.5)))


# --- the end --------------------------------------------------------------------------------------


class Waiting:
    """An application whose requests wait for `go`, or for their cancellation."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        try:
            await asyncio.to_thread(self.go.wait, DEADLINE)
            await name_path(scope, receive, send)
            self.ended.append("answered")
        except asyncio.CancelledError:
            self.go.set()
            await asyncio.sleep(0.05)
            self.ended.append("cancelled")
            raise


def test_stop_closes_idle_connections_and_waits_for_requests() -> None:
    waiting = Waiting()

    async def main() -> None:
        stop = asyncio.Event()
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        both = [make_listener(waiting), make_listener(name_path, "ops")]
        serving = asyncio.create_task(serve(both, DEADLINE, ready.set_result, stop))
        bound = await ready
        with connect(bound["ops"]) as idle, connect(bound["ingest"]) as busy:
            idle.sendall(GET)
            assert (await asyncio.to_thread(answer, idle)).endswith(b"/")
            busy.sendall(GET)
            await asyncio.to_thread(waiting.begun.wait, DEADLINE)
            stop.set()
            assert await asyncio.to_thread(rest, idle) == b""
            assert not serving.done()
            with pytest.raises(ConnectionRefusedError):
                connect(bound["ingest"])
            waiting.go.set()
            assert (await asyncio.to_thread(rest, busy)).endswith(b"/")
            await serving

    run(main())
    assert waiting.ended == ["answered"]


def test_request_that_does_not_end_is_cancelled_before_serve_returns() -> None:
    """Fails without the wait in `shutdown`: uvicorn returns while the cancelled task still runs, and the
    caller then closes the ledger."""
    waiting = Waiting()

    def work(bound: Any) -> socket.socket:
        client = connect(bound["ingest"])
        client.sendall(GET)
        waiting.begun.wait(DEADLINE)
        return client

    with run(during(work, make_listener(waiting), shutdown_timeout=0.1)):
        assert waiting.ended == ["cancelled"]


def test_connection_that_never_reads_does_not_delay_the_end() -> None:
    """Fails without the abort in `shutdown`."""

    async def big(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, bytes(2**25))

    def work(bound: Any) -> socket.socket:
        client = connect(bound["ingest"])
        client.sendall(GET)
        client.recv(10)
        return client

    with run(during(work, make_listener(big), shutdown_timeout=0.1)) as client:
        assert len(rest(client)) < 2**25


_PROGRAM = """
import asyncio, uvloop
from tests.server.conftest import make_listener
from exporter.server.listeners import serve
async def stuck(scope, receive, send):
    print("stuck", flush=True)
    await asyncio.Event().wait()
async def main():
    ready = lambda bound: print(bound["ingest"][1], flush=True)
    both = [make_listener(stuck), make_listener(stuck, "ops")]
    await serve(both, 600.0, ready, asyncio.Event())
    print("ledger closed", flush=True)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


def test_second_interrupt_does_not_wait_for_requests() -> None:
    """Fails without `force_exit`: the program waits 600 s; and without `capture_signals`: uvicorn raises the
    signal again and kills the process."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as running,
        contextlib.ExitStack() as opened,
    ):
        opened.callback(running.kill)
        assert running.stdout is not None
        client = opened.enter_context(connect(("127.0.0.1", int(running.stdout.readline()))))
        client.sendall(GET)
        assert running.stdout.readline() == "stuck\n"
        running.send_signal(signal.SIGINT)
        eventually(lambda: refuses(client.getpeername()))
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=DEADLINE)[0] == "ledger closed\n"
        assert running.returncode == 0
