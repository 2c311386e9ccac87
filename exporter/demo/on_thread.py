"""A server beside the program that needs it."""

import threading
from socketserver import BaseServer
from typing import Self


class OnThread:
    """Serves on a thread of its own while the `with` block lasts."""

    def __init__(self, server: BaseServer) -> None:
        self._server = server
        # The end is looked for every 0.05 s: at the default each `with` block would take half a second more.
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
