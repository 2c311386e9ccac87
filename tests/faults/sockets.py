"""Rows 12, 27 and 29 of the fault table: slow peers, many connections, and no free descriptor."""

import contextlib
import http.client
import json
import os
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from exporter.names import REFUSED_REQUESTS
from exporter.server.resources import OPS_CONNECTIONS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.honest import honest, p99
from tests.faults.table import Mutant, Row, reached
from tests.faults.usage import MIB, descriptors, processor_seconds, resident
from tests.server.conftest import openssl

_POST: Final = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@contextlib.contextmanager
def _connect(port: int, receive_buffer: int = 0) -> Iterator[socket.socket]:
    with socket.socket() as client:
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        yield client


# --- row 12: slow peers ----------------------------------------------------------------------------

_SLOW: Final = (
    _POST + b"X: ",
    _POST + b"Content-Length: 1000000\r\n\r\n[",
    # A hundred kilobytes of answers that nobody reads.
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 2,
)
"""A head and a body that drip, and an answer that is not read."""
_DRIP: Final = 1.0
"""Seconds between two bytes of a head or body."""
_SMALL_BUFFERS: Final = """
import socket
from exporter.server import sockets
listen = sockets._listen
def _listen(*given):
    listener = listen(*given)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    return listener
sockets._listen = _listen
"""
"""Loopback would buffer 2.5 MB of unread answers per socket, a gigabyte for a thousand of them."""


def _besiege(exporter: ExporterProcess, sockets: int, patience: float) -> float:
    """Open `sockets`, a third of each kind: the seconds until the exporter has closed all, or infinity."""
    with contextlib.ExitStack() as opened:
        before = descriptors(exporter)
        dripping = opened.enter_context(selectors.DefaultSelector())
        began = time.monotonic()
        for number in range(sockets):
            kind = number % 3
            port = exporter.ports["ops" if kind == 2 else "ingest"]
            client = opened.enter_context(_connect(port, receive_buffer=4096))
            client.sendall(_SLOW[kind])
            client.setblocking(False)
            if kind < 2:
                dripping.register(client, selectors.EVENT_READ)
        # The ops listener refuses at once what is beyond its own limit.
        accepted = sockets - max(0, sockets // 3 - OPS_CONNECTIONS)
        wait_for(lambda: descriptors(exporter) - before > 0.9 * accepted, what="connections")
        next_drip = time.monotonic() + _DRIP
        while (now := time.monotonic()) < began + patience:
            if descriptors(exporter) <= before:
                return now - began
            for key, _ in dripping.select(0.05):
                if _ended(key.fileobj):
                    dripping.unregister(key.fileobj)
            if now >= next_drip:
                next_drip += _DRIP
                for key in list(dripping.get_map().values()):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(b"1")  # type: ignore[union-attr]
    return float("inf")


def _ended(client: object) -> bool:
    """Read what is there and close at the end, as an honest client would."""
    assert isinstance(client, socket.socket)
    try:
        if client.recv(4096):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    client.close()
    return True


def _slow(folder: Path, quick: bool, mutant: str = "") -> str:
    # With the default of 10 s a socket is gone 10 s and the time of its refusal after its start.
    timeout, sockets = (1, 90) if quick else (7, 1000)
    # Sockets of a mutant stay for several times the timeout.
    patience, sockets = (4, 9) if mutant else (60, sockets)
    # Room for the sockets, and for the honest sender beside them.
    settings = {"receive_timeout": timeout, "max_connections": sockets + 100}
    with (
        ExporterProcess(
            folder / "data", settings=settings, mutant=_SMALL_BUFFERS + mutant
        ) as exporter,
        honest(exporter.ports["ingest"]) as latencies,
    ):
        gone = _besiege(exporter, sockets, patience)
    figure = (
        f"{sockets} sockets, a third each, gone in {gone:.1f} s (receive_timeout {timeout} s); "
        f"p99 of {len(latencies)} others {p99(latencies) * 1000:.0f} ms"
    )
    if quick:
        # Requests that each wait for a slow socket would take a timeout each.
        return reached(figure, gone < patience and len(latencies) > 2 * gone / timeout)
    return reached(figure, gone <= 10 and p99(latencies) < 0.05)


_WITHOUT_RECEIPT_DEADLINE: Final = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol._check = lambda self: None
"""
_WITHOUT_WRITE_DEADLINE: Final = """
from exporter.server.protocol import GuardedProtocol
GuardedProtocol.pause_writing = lambda self: self.flow.pause_writing()
"""
SLOW: Final = Row(
    12,
    "slow heads, bodies and readers",
    "1,000 gone ≤ 10 s; p99 < 50 ms",
    _slow,
    [
        Mutant("deadline of requests", _WITHOUT_RECEIPT_DEADLINE, "gone in inf"),
        Mutant("deadline of answers", _WITHOUT_WRITE_DEADLINE, "gone in inf"),
    ],
)


# --- row 27: many connections ------------------------------------------------------------------------

_GROWTH: Final = 64 * MIB
"""Bytes by which resident memory may grow over the whole flood."""
_MOST: Final = 160 * MIB
"""Bytes of resident memory after the flood."""
_THREADS: Final = 16
_REQUESTS: Final = tuple(
    _POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    for body in (b" " * 900_000, b'{"system":"softdrive","code":"01"}')
)


def _statuses(port: int, connections: int, tls: bool) -> Counter[int]:
    """The statuses of large and small requests by turns, a connection each; 0 when no answer came."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def send(number: int) -> int:
        with contextlib.ExitStack() as opened:
            client: socket.socket = opened.enter_context(_connect(port))
            if tls:
                client = opened.enter_context(context.wrap_socket(client))
            # A large request is answered before its end, and then its connection is closed.
            with contextlib.suppress(OSError):
                client.sendall(_REQUESTS[number % 2])
            with contextlib.suppress(OSError):
                return int(client.recv(4096)[9:12] or 0)
        return 0

    with ThreadPoolExecutor(_THREADS) as pool:
        return Counter(pool.map(send, range(connections)))


def _connection_flood(
    folder: Path, connections: int, tls: bool, mutant: str
) -> tuple[Counter[int], int, int]:
    """Statuses, and resident memory before and after a flood of an exporter that wants a token."""
    folder.mkdir()
    settings = {"ingest_token_file": folder / "tokens"}
    settings["ingest_token_file"].write_text("a-token-that-only-honest-senders-have\n")
    if tls:
        cert, key = folder / "cert.pem", folder / "key.pem"
        openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            f"-subj /CN=localhost -keyout {key} -out {cert}"
        )
        settings |= {"ingest_tls_cert": cert, "ingest_tls_key": key}
    with ExporterProcess(folder / "data", settings=settings, mutant=mutant) as exporter:
        # The first requests of each kind import and allocate what stays.
        assert exporter.request("ops", "GET", "/metrics").status == 200
        idle = descriptors(exporter)
        port = exporter.ports["ingest"]
        _statuses(port, 2 * _THREADS, tls)
        wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
        before = resident(exporter)
        statuses = _statuses(port, connections, tls)
        wait_for(lambda: descriptors(exporter) <= idle, what="connections closed")
        return statuses, before, resident(exporter)


def _connections(folder: Path, quick: bool, mutant: str = "") -> str:
    connections, growth = (640, _GROWTH // 2) if quick else (10_000, _GROWTH)
    figures = []
    holds = True
    for name in ("plain", "TLS") if not mutant else ("TLS",):
        statuses, before, after = _connection_flood(
            folder / name, connections, name == "TLS", mutant
        )
        counts = ", ".join(f"{count:,} × {status}" for status, count in statuses.items())
        figures.append(f"{name} {before / MIB:.0f} → {after / MIB:.0f} MiB ({counts})")
        holds &= after - before <= growth and after < _MOST
        # Wrong tokens are 401, many of them 429; a large request's sender may find the connection closed.
        holds &= 401 in statuses and set(statuses) <= {0, 401, 429}
    return reached("; ".join(figures), holds)


_KEPT: Final = """
from exporter.server.joined import JoinedTransport
JoinedTransport.release = lambda self: None
"""
"""A kept connection takes some 200 kB: 120 MiB for the quick version's connections."""
CONNECTIONS: Final = Row(
    27,
    "10,000 connections, plain and TLS",
    f"memory + ≤ {_GROWTH // MIB}, < {_MOST // MIB} MiB",
    _connections,
    [Mutant("end of the reference cycle", _KEPT, r"→ (1[1-9]|2.)\d MiB")],
)


# --- row 29: no free descriptor ------------------------------------------------------------------------

_TOO_FEW: Final = 64
_FEW: Final = 192
"""Descriptors: some senders may connect, and fewer than the flood wants."""
_IDLE_SHARE: Final = 0.15
"""Processor time of a listener without descriptors while connections wait, for each second of a busy loop."""
_AT_FIRST_REQUEST: Final = """
from exporter import serve
serve._PAGES = 3600
"""
"""The first scrape imports the pages, not a timer a second after the start."""


def _few(folder: Path, limit: int, mutant: str = "") -> ExporterProcess:
    """An exporter whose soft and hard limit of open files is `limit`."""
    return ExporterProcess(folder / "data", wrapper=("prlimit", f"--nofile={limit}"), mutant=mutant)


def _status(port: int, method: str, path: str, body: str | None = None) -> int:
    """The status of an answer on a new connection; 0 when none came."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=3)) as connection:
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0


def _scrape(exporter: ExporterProcess) -> int:
    return _status(exporter.ports["ops"], "GET", "/metrics")


def _post(exporter: ExporterProcess) -> int:
    event = json.dumps({"system": "softdrive", "code": "01"})
    return _status(exporter.ports["ingest"], "POST", "/v1/session-ends", event)


def _recovers(exporter: ExporterProcess, patience: float) -> tuple[int, int]:
    """The statuses of a scrape and an event, both 200 or those after `patience` seconds."""
    statuses = (0, 0)

    def recovered() -> bool:
        nonlocal statuses
        statuses = _scrape(exporter), _post(exporter)
        return statuses == (200, 200)

    with contextlib.suppress(AssertionError):
        wait_for(recovered, patience)
    return statuses


def _exhaust(exporter: ExporterProcess, seconds: float, patience: float) -> tuple[int, float, str]:
    """Take every free descriptor for `seconds`.

    Returns the status of a scrape on an open connection meanwhile, the processor time compared with a busy
    loop, and the statuses of a scrape and an event afterwards.
    """
    ops = exporter.ports["ops"]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", ops, timeout=30)) as scraping:
        # The connection is accepted once it is answered; health needs no import.
        scraping.request("GET", "/-/healthy")
        assert scraping.getresponse().read() == b"ok"
        idle = descriptors(exporter)
        # The first log line imports what writes it.
        assert exporter.request("ingest", "GET", "/").status == 404
        wait_for(lambda: descriptors(exporter) <= idle, what="a connection closed")
        _, hard = resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE)
        taken = {int(name) for name in os.listdir(f"/proc/{exporter.pid}/fd")}
        # With this limit no descriptor can be opened.
        free = next(number for number in range(len(taken) + 1) if number not in taken)
        resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (free, hard))
        try:
            scraping.request("GET", "/metrics")
            during = scraping.getresponse().status
            with _connect(ops), _connect(exporter.ports["ingest"]):
                share = _compared_with_a_busy_loop(exporter, seconds)
        finally:
            resource.prlimit(exporter.pid, resource.RLIMIT_NOFILE, (hard, hard))
    return during, share, str(_recovers(exporter, patience))


def _compared_with_a_busy_loop(exporter: ExporterProcess, seconds: float) -> float:
    """Processor time of the exporter divided by that of a busy loop: on a busy machine both get less."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        wait_for(lambda: processor_seconds(loop.pid) > 0, what="a busy loop")
        before = [processor_seconds(pid) for pid in (exporter.pid, loop.pid)]
        time.sleep(seconds)  # processor time during a span is what is measured
        after = [processor_seconds(pid) for pid in (exporter.pid, loop.pid)]
    finally:
        loop.kill()
        loop.wait()
    return (after[0] - before[0]) / max(after[1] - before[1], 0.01)


def _descriptors(folder: Path, quick: bool, mutant: str = "") -> str:
    scrapes, seconds = (10, 1.0) if quick else (200, 20.0)
    patience = 2.0 if mutant else 15.0
    starting = _few(folder / "start", _TOO_FEW)
    starting.launch()
    clear = starting.wait() == 1 and f"open files are limited to {_TOO_FEW}" in starting.log
    with (
        _few(folder / "flood", _FEW, mutant) as exporter,
        contextlib.ExitStack() as opened,
    ):
        for _ in range(2 * _FEW):
            opened.enter_context(_connect(exporter.ports["ingest"]))
        answered = [_scrape(exporter)]
        refused = 0
        if answered == [200]:
            answered += [_scrape(exporter) for _ in range(scrapes - 1)]
            refused = int(exporter.total(REFUSED_REQUESTS, reason="too_many_connections"))
        opened.close()
        recovered = _recovers(exporter, patience)
    with ExporterProcess(folder / "data", mutant=_AT_FIRST_REQUEST + mutant) as exporter:
        during, share, after = _exhaust(exporter, seconds, patience)
    figure = (
        f"{_TOO_FEW} at the start: {'exits with 1, clear message' if clear else 'no clear message'}; "
        f"{2 * _FEW} connections with {_FEW}: {answered.count(200)} of {scrapes} scrapes, {refused} refused, "
        f"then {recovered}; none left for {seconds:g} s: {during}, {share:.0%} of a busy loop, then {after}"
    )
    return reached(
        figure,
        clear
        and answered.count(200) == scrapes
        and refused > _FEW
        and recovered == (200, 200)
        and during == 500
        and share < _IDLE_SHARE
        and after == "(200, 200)",
    )


_UNLIMITED: Final = """
from exporter.server import resources
resources.connection_limits = lambda wanted: {"ingest": 100_000, "ops": 100_000}
"""
_IMPORT_ONCE: Final = """
from exporter.ops import lazy_app
lazy_app._failed = lambda app: False
"""
_PAUSE: Final = """
from exporter.server import connections
connections._PAUSE = {}
"""
DESCRIPTORS: Final = Row(
    29,
    "no descriptor left",
    "ops listener answers; all recovers",
    _descriptors,
    [
        Mutant("limit of connections", _UNLIMITED, " 0 of 10 scrapes"),
        Mutant("second import of the pages", _IMPORT_ONCE, r"then \(500, 200\)$"),
        Mutant("return to accepting", _PAUSE.format(3600), r"then \(0, 0\)$"),
        Mutant("pause of accepting", _PAUSE.format(0), r"(1[5-9]|[2-9]\d|\d{3})% of a busy loop"),
    ],
)
