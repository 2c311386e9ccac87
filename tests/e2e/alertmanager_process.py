"""A real Alertmanager (Debian's) on loopback, and the receivers that it notifies."""

import email
import email.policy
import json
import queue
import socketserver
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e.exporter_process import wait_for
from tests.e2e.prometheus_process import free_port

_Caught = TypeVar("_Caught")


class AlertmanagerProcess:
    """Runs from a configuration file; `port` is what a Prometheus sends alerts to."""

    def __init__(self, config: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self._config = config
        self._log = config.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus-alertmanager",
                    f"--config.file={self._config}",
                    f"--storage.path={self._config.with_suffix('.data')}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            wait_for(self._is_ready, what=f"Alertmanager, see {self._log}")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """As Prometheus does, with `labels`, `annotations`, `startsAt`, `endsAt`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()

    def get(self, path: str, **parameters: str) -> Any:
        """An answer of API v2."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}?{query}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class WebhookCatcher:
    """Answers 200 to every POST and keeps (path, JSON body), in the order of arrival."""

    def __init__(self) -> None:
        self._caught: queue.Queue[tuple[str, Any]] = queue.Queue()
        caught = self._caught

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                caught.put((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self, seconds: float = 60.0) -> tuple[str, Any]:
        """The oldest that was not asked for yet; AssertionError when none comes."""
        return _oldest(self._caught, seconds)

    def rest(self) -> list[tuple[str, Any]]:
        """What has come and was not asked for."""
        return [self._caught.get_nowait() for _ in range(self._caught.qsize())]


class MailCatcher:
    """As much of an SMTP server as Alertmanager needs; keeps the messages."""

    def __init__(self) -> None:
        self._caught: queue.Queue[EmailMessage] = queue.Queue()
        caught = self._caught

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 catcher\r\n")
                while line := self.rfile.readline():
                    verb = line[:4].upper().strip()
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        caught.put(self._message())
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

            def _message(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self, seconds: float = 60.0) -> EmailMessage:
        """As `WebhookCatcher.next`."""
        return _oldest(self._caught, seconds)


def _oldest(caught: queue.Queue[_Caught], seconds: float) -> _Caught:
    try:
        return caught.get(timeout=seconds)
    except queue.Empty:
        raise AssertionError(f"no notification within {seconds:g} s") from None
