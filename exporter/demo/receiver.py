"""Who is on call in the demo: a webhook on loopback that keeps what Alertmanager sends."""

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

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


class Receiver:
    """Listens while the `with` block lasts; every receiver of Alertmanager is `url` and its own name."""

    def __init__(self) -> None:
        caught: queue.Queue[Any] = queue.Queue()
        self._caught = caught

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "")
                if not length.isdigit() or int(length) > _LARGEST:
                    self.send_error(413)
                    return
                try:
                    caught.put(json.loads(self.rfile.read(int(length))))
                except ValueError:
                    self.send_error(400)
                    return
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Requests are told on the screen by what is in them."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def come(self) -> Iterator[Notified]:
        """What has come since the last time, in the order of arrival."""
        for _ in range(self._caught.qsize()):
            body = self._caught.get_nowait()
            for alert in body["alerts"]:
                yield Notified(
                    body["receiver"],
                    alert["status"] == "resolved",
                    alert["labels"],
                    alert["annotations"],
                )
