"""`python -m tests.bench.redis_cost`: memory, traffic and processor time of Redis per event, for sizing it.

Bytes are those of the connections between exporter and Redis and of the append-only file. Processor time is
that of each process, requests included.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter import names
from exporter.ledger.address import parse
from exporter.ledger.contract import Batch, Family, Series
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.plan import Plan
from tests.bench.wrk import wrk
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.usage import processor_seconds
from tests.ledger.redis_server import RedisServer


@dataclass(frozen=True)
class Reading:
    """Totals at one instant: accepted events, bytes, and microseconds of processor time."""

    events: float
    memory: float
    received: float
    sent: float
    written: float
    exporter: float
    engine: float

    def since(self, before: "Reading") -> dict[str, float]:
        """The growth of each figure per event."""
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
        1e6 * processor_seconds(exporter.pid),
        1e6 * (cpu["used_cpu_user"] + cpu["used_cpu_sys"]),
    )


def costs(folder: Path, seconds: float, fsync: str) -> dict[str, dict[str, float]]:
    """The costs of an event in a batch of 1,000, and of a single event on one of 64 connections."""
    loads: dict[str, Callable[[int], object]] = {
        "in batches of 1,000": lambda port: wrk("batch.lua", port, 8, seconds),
        "alone, 64 connections": lambda port: wrk("single.lua", port, 64, seconds),
    }
    per_event = {}
    for name, load in loads.items():
        place = folder / name.split()[0]
        with (
            RedisServer(place / "redis", "--appendfsync", fsync) as server,
            ExporterProcess(place / "data", settings={"ledger": server.url}) as exporter,
        ):
            before = read(exporter, server)
            load(exporter.ports["ingest"])
            after = read(exporter, server)
            rate = (after.events - before.events) / seconds
            per_event[name] = {**after.since(before), "rate": rate}
    return per_event


async def memory(folder: Path) -> list[float]:
    """Bytes per id of a Cluster's node below and above a power of two, where the index of Redis doubles."""
    series = Series(Family.ENDS, "streampixel", "4001", "connect", "capacity", "failure")
    with RedisServer(folder, "--cluster-enabled", "yes", "--appendonly", "no") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"state:ok" in server.command("CLUSTER", "INFO"), what="a Cluster of one")
        ledger = await RedisLedger.open(Plan(parse(f"redis+cluster://127.0.0.1:{server.port}")))
        empty = server.command("INFO", "memory")["used_memory"]
        per_id = []
        for number in range(1, 1101):
            await ledger.commit(Batch([series] * 1000, os.urandom(16_000), os.urandom(8000)))
            if number in (1000, 1100):
                used = server.command("INFO", "memory")["used_memory"]
                per_id.append((used - empty) / (1000 * number))
        await ledger.close()
    return per_id


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(dir=".") as folder:
        below, above = asyncio.run(memory(Path(folder).resolve() / "memory"))
        print(f"bytes of memory per id: {below:.0f} at 1,000,000, {above:.0f} at 1,100,000")
        for fsync in ("everysec", "always"):
            for name, event in costs(Path(folder).resolve() / fsync, seconds, fsync).items():
                figures = ", ".join(f"{key} {value:,.1f}" for key, value in event.items())
                print(f"appendfsync {fsync}, {name}: {figures}")


if __name__ == "__main__":
    main()
