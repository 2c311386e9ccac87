"""A real Alertmanager (Debian's) on loopback, and its receivers."""

import email
import email.policy
import queue
import socketserver
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import httpx

from deploy.demo.program import BackgroundServer, Program, Receiver
from tests.e2e.prometheus_process import free_port

_Notification = TypeVar("_Notification")


class AlertmanagerProcess(Program):
    """Runs with a configuration file; Prometheus sends alerts to `port`."""

    def __init__(self, config: Path) -> None:
        self.port = free_port()
        super().__init__(
            [
                "prometheus-alertmanager",
                f"--config.file={config}",
                f"--storage.path={config.with_suffix('.data')}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            config.with_suffix(".log"),
            f"http://127.0.0.1:{self.port}/-/ready",
        )

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Sends alerts as Prometheus does, with `labels`, `annotations`, `startsAt`, `endsAt`."""
        url = f"http://127.0.0.1:{self.port}/api/v2/alerts"
        httpx.post(url, json=alerts, timeout=30, trust_env=False).raise_for_status()

    def get(self, path: str, **parameters: str) -> Any:
        """The answer of API v2."""
        url = f"http://127.0.0.1:{self.port}/api/v2/{path}"
        reply = httpx.get(url, params=parameters, timeout=30, trust_env=False)
        return reply.raise_for_status().json()


class WebhookReceiver(Receiver):
    """The webhook receiver of the demo, from which a test takes the notifications in order."""

    def next(self) -> tuple[str, Any]:
        """Path and body of the oldest notification; AssertionError when none comes."""
        return _oldest(self.notifications)

    def rest(self) -> list[tuple[str, Any]]:
        """The notifications not yet taken."""
        return [self.notifications.get_nowait() for _ in range(self.notifications.qsize())]


class MailReceiver(BackgroundServer):
    """A minimal SMTP server for Alertmanager that keeps the messages."""

    def __init__(self) -> None:
        self._messages = messages = queue.Queue[EmailMessage]()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 receiver\r\n")
                while line := self.rfile.readline():
                    verb = line[:4].upper().strip()
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        messages.put(self._message())
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                    if verb == b"QUIT":
                        return

            def _message(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                return email.message_from_bytes(b"".join(lines), policy=email.policy.default)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        super().__init__(server)
        self.address = f"127.0.0.1:{server.server_address[1]}"

    def next(self) -> EmailMessage:
        """As `WebhookReceiver.next`."""
        return _oldest(self._messages)


def _oldest(notifications: queue.Queue[_Notification]) -> _Notification:
    try:
        return notifications.get(timeout=60)
    except queue.Empty:
        raise AssertionError("no notification within 60 s") from None
