"""`python -m tests.bench.redis_cost`: what an event costs the shared ledger, for sizing one.

Memory is what the engine adds for each id; bytes are those of the connections between exporter and engine
(not senders'), and of the append-only file; processor time is that of each process, requests included.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import names
from exporter.ledger.contract import Batch, Family, Series
from exporter.ledger.redis.address import parse
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.plan import Plan
from tests.bench.wrk import wrk
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.ledger.redis_server import RedisServer

_TICK: Final = 1e6 / os.sysconf("SC_CLK_TCK")
"""Microseconds of what /proc counts processor time in."""


@dataclass(frozen=True)
class Reading:
    """Of one instant: events accepted, bytes, and microseconds of processor time."""

    events: float
    memory: float
    received: float
    sent: float
    written: float
    exporter: float
    engine: float

    def since(self, before: "Reading") -> dict[str, float]:
        """Each figure's growth for each event."""
        events = self.events - before.events
        return {
            name: (value - getattr(before, name)) / events
            for name, value in vars(self).items()
            if name != "events"
        }


def read(exporter: ExporterProcess, server: RedisServer) -> Reading:
    memory, stats, files, cpu = (
        server.command("INFO", section) for section in ("memory", "stats", "persistence", "cpu")
    )
    return Reading(
        exporter.total(names.ACCEPTED_EVENTS),
        memory["used_memory"],
        stats["total_net_input_bytes"],
        stats["total_net_output_bytes"],
        files["aof_current_size"],
        _processor(exporter.pid),
        1e6 * (cpu["used_cpu_user"] + cpu["used_cpu_sys"]),
    )


def _processor(pid: int) -> float:
    """Microseconds of processor time that a process has had."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return _TICK * (int(after_name[11]) + int(after_name[12]))


def costs(folder: Path, seconds: float, fsync: str) -> dict[str, dict[str, float]]:
    """Of an event in a batch of 1,000, and of one that comes alone on one of 64 connections."""
    loads: dict[str, Callable[[int], object]] = {
        "in batches of 1,000": lambda port: wrk("batch.lua", port, 8, seconds),
        "alone, 64 connections": lambda port: wrk("single.lua", port, 64, seconds),
    }
    found = {}
    for name, load in loads.items():
        place = folder / name.split()[0]
        with (
            RedisServer(place / "redis", "--appendfsync", fsync) as server,
            ExporterProcess(place / "data", settings={"ledger": server.url}) as exporter,
        ):
            before = read(exporter, server)
            load(exporter.ports["ingest"])
            after = read(exporter, server)
            found[name] = {**after.since(before), "rate": (after.events - before.events) / seconds}
    return found


async def memory(folder: Path) -> list[float]:
    """Bytes for each id of a Cluster's node, at 1,000,000 ids and at 1,100,000: just below and above a
    power of two, where the engine's index doubles."""
    series = Series(Family.ENDS, "streampixel", "4001", "connect", "capacity", "failure")
    with RedisServer(folder, "--cluster-enabled", "yes", "--appendonly", "no") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"state:ok" in server.command("CLUSTER", "INFO"), what="a Cluster of one")
        ledger = await RedisLedger.open(Plan(parse(f"redis+cluster://127.0.0.1:{server.port}")))
        empty = server.command("INFO", "memory")["used_memory"]
        found = []
        for number in range(1, 1101):
            await ledger.commit(Batch([series] * 1000, os.urandom(16_000), os.urandom(8000)))
            if number in (1000, 1100):
                used = server.command("INFO", "memory")["used_memory"]
                found.append((used - empty) / (1000 * number))
        await ledger.close()
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(dir=".") as folder:
        below, above = asyncio.run(memory(Path(folder).resolve() / "memory"))
        print(f"bytes of memory per id: {below:.0f} at 1,000,000, {above:.0f} at 1,100,000")
        for fsync in ("everysec", "always"):
            for name, one in costs(Path(folder).resolve() / fsync, seconds, fsync).items():
                figures = ", ".join(f"{key} {value:,.1f}" for key, value in one.items())
                print(f"appendfsync {fsync}, {name}: {figures}")


if __name__ == "__main__":
    main()
