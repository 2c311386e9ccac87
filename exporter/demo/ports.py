"""Loopback ports for the demo's programs: the usual one, or the next that is free."""

import socket
from collections.abc import Callable
from typing import Final

HOST: Final = "127.0.0.1"
_TRIES: Final = 100


class Ports:
    """Gives out each port once; `tell` gets a line for a usual port that is taken."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._given: set[int] = set()

    def port(self, program: str, usual: int) -> int:
        """`usual` or the first after it that nobody listens on. Raises `OSError` when 100 are taken."""
        for port in range(usual, min(usual + _TRIES, 65536)):
            # What was given out need not be bound yet: with 10400 taken, 10401 would be given twice.
            if port not in self._given and _free(port):
                self._given.add(port)
                if port != usual:
                    self._tell(f"port {usual} is taken: {program} is on {port}")
                return port
        raise OSError(f"{program}: no free port from {usual} on")


def _free(port: int) -> bool:
    with socket.socket() as one:
        # As servers do: connections of a server that has just ended don't hold its port.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
        except OSError:
            return False
        return True
