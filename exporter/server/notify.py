"""What systemd is told of the exporter (sd_notify(3)): ready, alive, stopping.

`NOTIFY_SOCKET` and `WATCHDOG_USEC` are systemd's own variables and no settings: they are read here.
Without the first nothing is sent.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Final

from exporter.ledger.contract import Status
from exporter.logs import Log
from exporter.ops.readiness import unready

_BEAT: Final = 10.0
"""Seconds between two messages where no watchdog is set."""
_FIRST_BEAT: Final = 1.0
"""Seconds between two messages, at most, until the ledger takes events."""
_EXTENSION: Final = 60
"""Seconds that a start may go on after a message, past TimeoutStartSec."""

log = Log("exporter.systemd")


async def report(
    status: Callable[[], Status], listening: asyncio.Event, stop: asyncio.Event
) -> None:
    """Tell systemd, from `listening` until `stop`, what the ledger's `status` says.

    READY=1 goes out once the ledger takes events, WATCHDOG=1 twice in a watchdog's interval for as long
    as this event loop runs and the ledger is alive. A disk that is full or hangs does not end them: the
    ledger goes on by itself when the disk does, and a restart would not help.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    await listening.wait()
    ready = False
    while not stop.is_set():
        state = status()
        if state.alive:
            ready = ready or state.problem is None
            started = "READY=1" if ready else f"EXTEND_TIMEOUT_USEC={_EXTENSION * 1_000_000}"
            _send(address, started, "WATCHDOG=1", f"STATUS={unready(state) or 'ready'}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _beat() if ready else min(_beat(), _FIRST_BEAT))
    _send(address, "STOPPING=1", "STATUS=shutting down")


def _beat() -> float:
    """Half of the watchdog's interval, seconds."""
    interval = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(interval) / 2_000_000 if interval.isdigit() and mine else _BEAT


def _send(address: str, *lines: str) -> None:
    # An address that begins with @ is an abstract one, whose first byte is 0.
    path = "\0" + address[1:] if address.startswith("@") else address
    message = "\n".join(line.replace("\n", " ") for line in lines).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(path)
            client.send(message)
    except OSError as error:
        log.warning("systemd can't be notified", error=str(error))
