"""One run of wrk against a loopback port."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

_HERE: Final = Path(__file__).parent
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Run:
    """Requests per second, the 99th percentile of their latency in seconds, and answers other than 2xx."""

    rate: float
    p99: float
    failed: int


def command(script: str, port: int, connections: int, seconds: float) -> list[str]:
    options = ["-t1", f"-c{connections}", f"-d{seconds:.0f}", "--latency", f"-s{_HERE / script}"]
    return ["wrk", *options, f"http://127.0.0.1:{port}"]


def wrk(script: str, port: int, connections: int, seconds: float) -> Run:
    """Run a script of this folder with that many connections on one thread."""
    return read(subprocess.check_output(command(script, port, connections, seconds), text=True))


def compared(
    ours: int, theirs: int, peer_script: str, runs: int, seconds: float
) -> tuple[list[float], list[float], float]:
    """Requests per second of single events to two ports in turn, 64 connections, and the median ratio."""
    rates: list[tuple[float, float]] = []
    for _ in range(runs):
        run = wrk("single.lua", ours, 64, seconds)
        assert run.failed == 0
        rates.append((run.rate, wrk(peer_script, theirs, 64, seconds).rate))
    ratio = median(rate / peer for rate, peer in rates)
    return [rate for rate, _ in rates], [peer for _, peer in rates], ratio


def read(printed: str) -> Run:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", printed)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    assert rate is not None, printed
    assert slow is not None, printed
    return Run(float(rate[1]), float(slow[1]) * _SECONDS[slow[2]], int(failed[1]) if failed else 0)
