"""A local server of Streampixel's project user stats, as documented, with faults on demand.

It does not imitate Streampixel's rate limits and certificates.
"""

import ssl
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests import faulty_server
from tests.faulty_server import Fault, FaultyServer

BASE = "/pixelStripeApi"
USER = "user-1"
KEY = "key-0123456789abcdef"


class StatsServer(FaultyServer):
    """A server. `fault` applies to requests for which `faults` has no entry; `polled` are requested
    projects."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__(Handler)
        self.counts: dict[str, tuple[int, int]] = {"p1": (7, 2)}
        self.fault: Fault | None = None
        self.polled: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.key = KEY
        self.user = USER
        self.stopping = threading.Event()
        self.url += BASE
        if certificate:
            self.url = self.url.replace("http", "https")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        super().__exit__(*exception)


class Handler(faulty_server.Handler):
    server: StatsServer

    def handle(self) -> None:
        # The handshake happens here; a client may refuse the certificate.
        with suppress(ConnectionError, ssl.SSLError):
            super().handle()

    def do_GET(self) -> None:
        server = self.server
        parts = urlsplit(self.path)
        server.polled.append(parts.path.rpartition("/")[2])
        server.headers.append({name.lower(): value for name, value in self.headers.items()})
        fault = server.faults.popleft() if server.faults else server.fault
        if fault is not None:
            fault(self)
        else:
            self.stats(parts.path, parse_qs(parts.query))

    def stats(self, path: str, query: dict[str, list[str]]) -> None:
        counts = self.server.counts.get(self.server.polled[-1])
        if not path.startswith(f"{BASE}/projects/userStats/"):
            self.answer(404, {"message": "Not found"})
        elif query != {"userId": [self.server.user], "apikey": [self.server.key]}:
            self.answer(401, {"message": "Unauthorized: Invalid API Key"})
        elif counts is None:
            self.answer(404, {"message": "Project not found"})
        else:
            # Further fields are ignored.
            self.answer(200, {"liveUser": counts[0], "queueUser": counts[1], "region": {"eu": 7}})


def sends(raw: bytes, *, hang: bool = False) -> Fault:
    """Sends exactly these bytes, then closes the connection, or with `hang` keeps it open."""

    def fault(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True
        if hang:
            handler.server.stopping.wait(60)

    return fault


def repeats(chunk: bytes, delay: float) -> Fault:
    """Sends an answer that never ends: `chunk` every `delay` seconds."""

    def fault(handler: Handler) -> None:
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.stopping.wait(delay):
            handler.wfile.write(chunk)

    return fault


def key_file(folder: Path, text: str = f"{KEY}\n") -> Path:
    path = folder / "live-stats-key"
    path.write_text(text)
    path.chmod(0o600)
    return path
