"""A webhook on loopback that receives Alertmanager's notifications."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any, Self


class BackgroundServer:
    """Runs `server` while the `with` block lasts."""

    def __init__(self, server: BaseServer) -> None:
        self._server = server
        # The default of 0.5 s between checks for shutdown would delay the end of each `with` block.
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Receiver(BackgroundServer):
    """Listens while the `with` block lasts; `caught` holds path and body of each notification."""

    def __init__(self) -> None:
        caught: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.caught = caught

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                caught.put((self.path, json.loads(self.rfile.read(length))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Requests are not logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def notifications(self) -> Iterator[Any]:
        """The notifications since the last call, oldest first."""
        for _ in range(self.caught.qsize()):
            yield self.caught.get_nowait()[1]
