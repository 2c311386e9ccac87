"""Messages to systemd (sd_notify(3)): ready, alive, stopping.

systemd's environment variables are not settings of the exporter.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Final

from exporter.ledger.contract import Status
from exporter.logs import Log

_INTERVAL: Final = 10.0
"""Seconds between messages without a watchdog."""
_START_INTERVAL: Final = 1.0
"""Most seconds between messages until the ledger accepts events."""
_EXTENSION: Final = 60
"""Seconds by which a message extends TimeoutStartSec."""

log = Log("exporter.systemd")


async def report(
    status: Callable[[], Status], listening: asyncio.Event, stop: asyncio.Event
) -> None:
    """Send the ledger's `status` to systemd from `listening` until `stop`.

    READY=1 is sent once the ledger accepts events, WATCHDOG=1 while the event loop runs and the ledger is
    alive, also on a full or hanging disk: the ledger recovers by itself, and a restart would not help.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    watchdog, pid = os.environ.get("WATCHDOG_USEC", ""), str(os.getpid())
    enabled = watchdog.isdigit() and os.environ.get("WATCHDOG_PID", pid) == pid
    # Half of the watchdog's time.
    interval = int(watchdog) / 2_000_000 if enabled else _INTERVAL
    await listening.wait()
    ready = False
    while not stop.is_set():
        state = status()
        if state.alive:
            ready = ready or state.problem is None
            started = "READY=1" if ready else f"EXTEND_TIMEOUT_USEC={_EXTENSION * 1_000_000}"
            _send(address, started, "WATCHDOG=1", f"STATUS={state.unready() or 'ready'}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                stop.wait(), interval if ready else min(interval, _START_INTERVAL)
            )
    _send(address, "STOPPING=1", "STATUS=shutting down")


def _send(address: str, *lines: str) -> None:
    # "@" stands for the zero byte that begins an abstract address.
    path = "\0" + address[1:] if address.startswith("@") else address
    message = "\n".join(line.replace("\n", " ") for line in lines).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(path)
            client.send(message)
    except OSError as error:
        log.warning("systemd can't be notified", error=str(error))
