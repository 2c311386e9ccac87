"""A sender that behaves, in a process of its own, and how long it waits for its answers.

`python -m tests.faults.honest PORT [TOKEN]`: an event each 5 ms over one connection until stdin ends; then
the latencies in seconds as a JSON array.
"""

import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence

from tests.e2e.exporter_process import ROOT

_PAUSE = 0.005


_LOWEST = 19
_MEASURED = 5.0
"""Seconds from which on a flood's effect is measured."""


class Honest:
    """Its `latencies` in seconds, in order, once the block it is used in has ended."""

    def __init__(self) -> None:
        self.latencies: Sequence[float] = ()


def p99(latencies: Iterable[float]) -> float:
    """Seconds."""
    ordered = sorted(latencies)
    return ordered[int(len(ordered) * 0.99)]


def elsewhere(seconds: float) -> None:
    """This thread's processor time comes last from now on: a flood is made on other machines, and what is
    measured is what it takes from the exporter, not what making it takes from the sender here. A flood of few
    seconds measures nothing, and other tests beside it would leave it no time at all."""
    if seconds < _MEASURED:
        return
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST)


@contextlib.contextmanager
def honest(port: int, token: str = "") -> Iterator[Honest]:
    """Runs while the block does; fails when any of its requests was not answered 200."""
    found = Honest()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.honest", str(port), token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield found
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        found.latencies = json.loads(said)
    finally:
        process.kill()
        process.communicate()


def _post(port: int, token: str) -> list[float]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    waits: list[float] = []
    while not select.select([sys.stdin], [], [], _PAUSE)[0]:
        event = {"id": f"{os.getpid()}-{len(waits)}", "system": "softdrive", "code": "01"}
        began = time.perf_counter()
        connection.request("POST", "/v1/session-ends", json.dumps(event), headers)
        reply = connection.getresponse()
        body = reply.read()
        waits.append(time.perf_counter() - began)
        assert reply.status == 200, body
        if len(waits) == 1:
            # The first one opened the connection.
            waits[0] = 0.0
            print("up", flush=True)
    connection.close()
    return waits


if __name__ == "__main__":
    print(json.dumps(_post(int(sys.argv[1]), *sys.argv[2:3] or [""])))
