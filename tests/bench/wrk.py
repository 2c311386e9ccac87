"""One run of wrk against a loopback port."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Run:
    """Requests a second, the 99th percentile of their latency in seconds, and answers that were not 2xx."""

    rate: float
    p99: float
    failed: int


def command(script: str, port: int, connections: int, seconds: float) -> list[str]:
    return [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:.0f}",
        "--latency",
        f"-s{_HERE / script}",
        f"http://127.0.0.1:{port}",
    ]


def wrk(script: str, port: int, connections: int, seconds: float) -> Run:
    """Run a script of this folder with that many connections on one thread."""
    return read(subprocess.check_output(command(script, port, connections, seconds), text=True))


def read(printed: str) -> Run:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", printed)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    assert rate is not None, printed
    assert slow is not None, printed
    return Run(float(rate[1]), float(slow[1]) * _SECONDS[slow[2]], int(failed[1]) if failed else 0)
