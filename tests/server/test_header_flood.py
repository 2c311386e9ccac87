"""Row 13 of the fault table: headers without end."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.conftest import DEADLINE, rest, status

_SERVER = """
import asyncio, uvloop
from tests.server.test_listeners import listener
from exporter.server.listeners import serve
ready = lambda bound: print(bound["ingest"][1], flush=True)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(serve([listener("ingest")], 0.1, ready, asyncio.Event()))
"""


@pytest.mark.parametrize("flood", [b"x" * 65536, b"X-Y: z\r\n" * 8192])
def test_header_flood_costs_little_memory(flood: bytes) -> None:
    """Fails without the header limit: the process grows with what is sent, to 200 MiB."""
    root = Path(__file__).parents[2]
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before = _peak(server.pid)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
                try:
                    client.sendall(b"GET / HTTP/1.1\r\nX: ")
                    for _ in range(640):
                        client.sendall(flood)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                reply = rest(client)
                assert not reply or status(reply) == 431
        assert _peak(server.pid) - before <= 32 * 1024
    finally:
        server.terminate()
        server.communicate(timeout=DEADLINE)
    assert server.returncode == 0


def _peak(pid: int) -> int:
    """KiB of resident memory at its highest."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0])
