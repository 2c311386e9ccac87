"""Two listeners in one process: how they begin, how they end, and what stops them beginning."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from exporter.errors import ConfigError
from exporter.server.certificates import Certificate
from exporter.server.limits import Limits
from exporter.server.listeners import Listener, serve
from exporter.server.protocol import guarded
from tests.server.conftest import DEADLINE, answer, eventually, rest

ROOT = Path(__file__).parents[2]


class Unwatched:
    def refused(self, error: Any, client: str, answered: bool) -> None: ...
    def unread(self, client: str) -> None: ...


PROTOCOL = guarded(Limits(16384, 10.0, Unwatched()))


async def named(scope: Any, receive: Any, send: Any) -> None:
    body = scope["path"].encode()
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


def listener(
    name: str, app: Any = named, address: str = "127.0.0.1:0", tls: tuple[Path, ...] = ()
) -> Listener:
    """`tls` are the files of a certificate and its key."""
    certificate = Certificate(name, *tls) if tls else None
    return Listener(name, address, app, PROTOCOL, certificate)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(main, DEADLINE))


def get(address: tuple[str, int], path: bytes, context: ssl.SSLContext | None = None) -> bytes:
    client = socket.create_connection(address, timeout=DEADLINE)
    if context is not None:
        client = context.wrap_socket(client)
    with client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        return answer(client)


async def during(
    listeners: list[Listener], work: Callable[[Any], Any], shutdown_timeout: float = 1.0
) -> Any:
    """Serve, do `work` in a thread with the bound addresses, stop by the event."""
    stop, ready = asyncio.Event(), asyncio.Event()
    bound: dict[str, Any] = {}

    def on_ready(addresses: Any) -> None:
        bound.update(addresses)
        ready.set()

    serving = asyncio.create_task(serve(listeners, shutdown_timeout, on_ready, stop))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if not ready.is_set():
        waiting.cancel()
        return await serving
    try:
        return await asyncio.to_thread(work, bound)
    finally:
        stop.set()
        await serving


def test_both_listeners_answer_and_have_an_address_of_their_own() -> None:
    def work(bound: Any) -> None:
        assert bound["ingest"] != bound["ops"]
        assert get(bound["ingest"], b"/a").endswith(b"\r\n\r\n/a")
        head = get(bound["ops"], b"/b")
        assert re.search(rb"\r\ndate: ", head)
        assert b"\r\nserver:" not in head

    run(during([listener("ingest"), listener("ops")], work))


def test_all_ports_are_free_again_after_the_end() -> None:
    addresses: list[Any] = []
    run(
        during(
            [listener("ingest"), listener("ops")], lambda bound: addresses.extend(bound.values())
        )
    )
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=DEADLINE)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("no-such-host.invalid:80", "the host is unknown: "),
        ("192.0.2.1:80", "this machine has no such address"),
        (f"{'a' * 70}.b:80", "the host is unknown: "),
    ],
)
def test_an_address_that_cannot_be_had_names_the_setting(address: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(during([listener("ops", address=address)], print))
    assert str(caught.value).startswith(f"ops = '{address}': {text}")


def test_a_taken_port_names_the_setting_and_frees_the_other_listener() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as s,
    ):
        free = s.getsockname()[1]
        s.close()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        both = [listener("ingest", address=f"127.0.0.1:{free}"), listener("ops", address=address)]
        with pytest.raises(ConfigError) as caught:
            run(during(both, print))
        assert str(caught.value).startswith(f"ops = '{address}': the port is in use: ")
        with socket.create_server(("127.0.0.1", free)):
            pass


def test_localhost_is_every_loopback_address_there_is() -> None:
    def work(bound: Any) -> bytes:
        return get(("localhost", bound["ops"][1]), b"/x")

    assert run(during([listener("ops", address="localhost:0")], work)).endswith(b"/x")


def test_tls_is_served_from_the_two_files(pair: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=str(pair[0]))
    context.check_hostname = False

    def work(bound: Any) -> bytes:
        return get(bound["ops"], b"/tls", context)

    assert run(during([listener("ops", tls=pair)], work)).endswith(b"/tls")


def test_tls_handshakes_that_stall_are_dropped(pair: tuple[Path, Path]) -> None:
    """Fails without `ssl_handshake_timeout`: a silent peer stays for 60 s."""
    quick = guarded(Limits(16384, 0.2, Unwatched()))
    one = Listener("ops", "127.0.0.1:0", named, quick, Certificate("ops", *pair))

    def work(bound: Any) -> bytes:
        with socket.create_connection(bound["ops"], timeout=DEADLINE) as client:
            return rest(client)

    assert run(during([one], work)) == b""


# --- the end --------------------------------------------------------------------------------------


class Held:
    """An application whose requests wait for `go`; `begun` and `ended` tell how far they are."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        try:
            await asyncio.to_thread(self.go.wait, DEADLINE)
            await named(scope, receive, send)
            self.ended.append("answered")
        except asyncio.CancelledError:
            self.go.set()
            await asyncio.sleep(0.05)
            self.ended.append("cancelled")
            raise


def test_a_stop_waits_for_requests_and_closes_idle_connections_at_once() -> None:
    held = Held()

    async def main() -> None:
        stop = asyncio.Event()
        bound: dict[str, Any] = {}
        ready = asyncio.Event()

        def on_ready(addresses: Any) -> None:
            bound.update(addresses)
            ready.set()

        both = [listener("ingest", held), listener("ops")]
        serving = asyncio.create_task(serve(both, DEADLINE, on_ready, stop))
        await ready.wait()
        idle = socket.create_connection(bound["ops"], timeout=DEADLINE)
        busy = socket.create_connection(bound["ingest"], timeout=DEADLINE)
        with idle, busy:
            idle.sendall(b"GET /idle HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await asyncio.to_thread(answer, idle)).endswith(b"/idle")
            busy.sendall(b"GET /busy HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.to_thread(held.begun.wait, DEADLINE)
            stop.set()
            assert await asyncio.to_thread(rest, idle) == b""
            assert not serving.done()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(bound["ingest"], timeout=DEADLINE)
            held.go.set()
            assert (await asyncio.to_thread(rest, busy)).endswith(b"/busy")
            await serving

    run(main())
    assert held.ended == ["answered"]


def test_a_request_that_does_not_end_is_cancelled_before_serve_returns() -> None:
    """The caller closes the ledger next. Fails without the wait in `shutdown`: uvicorn returns with
    the cancelled task still running."""
    held = Held()

    def work(bound: Any) -> socket.socket:
        client = socket.create_connection(bound["ingest"], timeout=DEADLINE)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        held.begun.wait(DEADLINE)
        return client

    client = run(during([listener("ingest", held)], work, shutdown_timeout=0.1))
    assert held.ended == ["cancelled"]
    client.close()


def test_a_connection_that_never_reads_does_not_hold_up_the_end() -> None:
    """Fails without the abort in `shutdown`."""

    async def big(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"%d" % 2**25)
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": bytes(2**25)})

    def work(bound: Any) -> socket.socket:
        client = socket.create_connection(bound["ingest"], timeout=DEADLINE)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(10)
        return client

    with run(during([listener("ingest", big)], work, shutdown_timeout=0.1)) as client:
        assert len(rest(client)) < 2**25


_PROGRAM = """
import asyncio, uvloop
from tests.server.test_listeners import listener, named
from exporter.server.listeners import serve
async def stuck(scope, receive, send):
    print("stuck", flush=True)
    await asyncio.Event().wait()
async def main():
    ready = lambda bound: print(bound["ingest"][1], flush=True)
    await serve([listener("ingest", stuck), listener("ops")], 600.0, ready)
    print("ledger closed", flush=True)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_and_the_caller_goes_on(number: signal.Signals) -> None:
    """Fails without `capture_signals`: uvicorn raises the signal again and kills the process."""
    with _program() as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(number)
        assert program.stdout.read() == "ledger closed\n"
        assert program.wait(DEADLINE) == 0


def test_a_second_interrupt_does_not_wait_for_requests() -> None:
    """Fails without `force_exit`: the program waits 600 s."""
    with _program() as program:
        assert program.stdout is not None
        port = int(program.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert program.stdout.readline() == "stuck\n"
            program.send_signal(signal.SIGINT)
            eventually(lambda: _refuses(port))
            program.send_signal(signal.SIGINT)
            assert program.stdout.read() == "ledger closed\n"
        assert program.wait(DEADLINE) == 0


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
    except ConnectionRefusedError:
        return True
    return False


@contextlib.contextmanager
def _program() -> "Iterator[subprocess.Popen[str]]":
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate(timeout=DEADLINE)
