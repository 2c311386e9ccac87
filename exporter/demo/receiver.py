"""Who is on call in the demo: a webhook on loopback that keeps what Alertmanager sends."""

import json
import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from exporter.demo.on_thread import OnThread
from exporter.demo.ports import HOST

_LARGEST: Final = 1 << 20
"""Bytes; a notification of every alert that there is has a tenth of it."""


@dataclass(frozen=True, slots=True)
class Notified:
    """One alert of a notification: the receiver's name, and what the alert says."""

    receiver: str
    resolved: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def page(self) -> bool:
        return self.labels.get("severity") == "page"


class Receiver(OnThread):
    """Listens while the `with` block lasts; every receiver of Alertmanager is `url` and its own name.

    `caught` has the path and the body of each notification, in the order of arrival.
    """

    def __init__(self) -> None:
        caught: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.caught = caught

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdigit() or int(length) > _LARGEST:
                    self.send_error(413)
                    return
                try:
                    caught.put((self.path, json.loads(self.rfile.read(int(length)))))
                except ValueError:
                    self.send_error(400)
                    return
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Requests are told on the screen by what is in them."""

        server = ThreadingHTTPServer((HOST, 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://{HOST}:{server.server_port}"

    def come(self) -> Iterator[Notified]:
        """What has come since the last time, in the order of arrival."""
        for _ in range(self.caught.qsize()):
            _, body = self.caught.get_nowait()
            for alert in body["alerts"]:
                yield Notified(
                    body["receiver"],
                    alert["status"] == "resolved",
                    alert["labels"],
                    alert["annotations"],
                )
