"""A server on a thread of its own."""

import threading
from socketserver import BaseServer
from typing import Self


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
