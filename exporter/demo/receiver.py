"""A webhook on loopback that receives Alertmanager's notifications."""

import json
import queue
import threading
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
    """Listens at `url`; `notifications` has the path and the body of each request."""

    def __init__(self) -> None:
        self.notifications = notifications = queue.Queue[tuple[str, Any]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                notifications.put((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Requests are not logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://127.0.0.1:{server.server_port}"
