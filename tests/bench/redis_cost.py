"""`python -m tests.bench.redis_cost`: memory, traffic and processor time of Redis per event, for sizing it.

Bytes are those of the connections between exporter and Redis and of the append-only file. Processor time is
in microseconds per process, requests included.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from exporter import names
from exporter.ledger.contract import Batch, Family, Series
from exporter.ledger.redis.connection import RedisSettings
from exporter.ledger.redis.ledger import RedisLedger
from exporter.settings.ledger_address import parse
from tests.bench.wrk import wrk
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.faults.usage import processor_seconds
from tests.ledger.redis_server import RedisServer


def read(exporter: ExporterProcess, server: RedisServer) -> dict[str, float]:
    """Totals at one instant."""
    sections = ("memory", "stats", "persistence", "cpu")
    info = {key: value for name in sections for key, value in server.command("INFO", name).items()}
    return {
        "events": exporter.total(names.ACCEPTED_EVENTS),
        "memory": info["used_memory"],
        "received": info["total_net_input_bytes"],
        "sent": info["total_net_output_bytes"],
        "written": info["aof_current_size"],
        "exporter": 1e6 * processor_seconds(exporter.pid),
        "redis": 1e6 * (info["used_cpu_user"] + info["used_cpu_sys"]),
    }


def cost(folder: Path, script: str, connections: int, seconds: int, fsync: str) -> str:
    """The growth of each total per event, and the events per second."""
    with (
        RedisServer(folder / "redis", "--appendfsync", fsync) as server,
        ExporterProcess(folder / "data", settings={"ledger": server.url}) as exporter,
    ):
        before = read(exporter, server)
        wrk(script, exporter.ports["ingest"], connections, seconds)
        after = read(exporter, server)
    grown = {name: after[name] - before[name] for name in after}
    events = grown.pop("events")
    figures = {name: total / events for name, total in grown.items()} | {"rate": events / seconds}
    return ", ".join(f"{name} {figure:,.1f}" for name, figure in figures.items())


async def memory(folder: Path) -> list[float]:
    """Bytes per id of a Cluster's node below and above a power of two, where the index of Redis doubles."""
    series = Series(Family.ENDS, "streampixel", "4001", "connect", "capacity", "failure")
    with RedisServer(folder, "--cluster-enabled", "yes", "--appendonly", "no") as server:
        server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        wait_for(lambda: b"state:ok" in server.command("CLUSTER", "INFO"), what="a Cluster of one")
        ledger = await RedisLedger.open(
            RedisSettings(parse(f"redis+cluster://127.0.0.1:{server.port}"))
        )
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
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        below, above = asyncio.run(memory(folder / "memory"))
        print(f"bytes of memory per id: {below:.0f} at 1,000,000, {above:.0f} at 1,100,000")
        for fsync in ("everysec", "always"):
            for script, connections in (("batch.lua", 8), ("single.lua", 64)):
                figures = cost(folder / f"{fsync}-{script}", script, connections, seconds, fsync)
                print(f"appendfsync {fsync}, {script}, {connections} connections: {figures}")


if __name__ == "__main__":
    main()
