"""deploy/compose/haproxy.cfg: the real program in front of real exporters over one real ledger."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from exporter import names
from tests.deploy.test_compose_replicas import EXPORTERS, OURS
from tests.e2e.exporter_process import ROOT, ExporterProcess, Reply, wait_for
from tests.e2e.prometheus_process import free_port
from tests.ledger.redis_server import RedisServer

CONFIG: Final = ROOT / "deploy" / "compose" / "haproxy.cfg"
WATCH: Final = "/-/entry"


class Entry:
    """HAProxy with the configuration, whose names are replaced by these exporters' addresses."""

    def __init__(self, folder: Path, exporters: list[ExporterProcess]) -> None:
        self.ports = {"ingest": free_port()}
        text = CONFIG.read_text(encoding="utf-8").replace(
            "bind :10400", f"bind 127.0.0.1:{self.ports['ingest']}"
        )
        for name, exporter in zip(EXPORTERS, exporters, strict=True):
            text, found = re.subn(
                rf"server {name} {name}:10400",
                f"server {name} 127.0.0.1:{exporter.ports['ingest']} check port "
                f"{exporter.ports['ops']}",
                text,
            )
            assert found == 1, name
        self._config = folder / "haproxy.cfg"
        self._config.write_text(text)

    def __enter__(self) -> "Entry":
        self._process = subprocess.Popen(
            ["haproxy", "-db", "-f", self._config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._open, what="HAProxy")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _open(self) -> bool:
        try:
            return self.watch() in (200, 503)
        except OSError:
            return False

    def watch(self) -> int:
        return self.request("ingest", "GET", WATCH).status

    def post(self, events: Any) -> Reply:
        headers = {"Content-Type": "application/json"}
        body = json.dumps(events).encode()
        return self.request("ingest", "POST", names.INGEST_PATH, body, headers)

    request = ExporterProcess.request


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[int], list[ExporterProcess]]]:
    """A new Redis, and so many exporters over it."""
    with ExitStack() as stack:

        def start(number: int) -> list[ExporterProcess]:
            server = stack.enter_context(RedisServer(tmp_path / "redis"))
            made = [
                ExporterProcess(tmp_path / f"data-{one}", settings={"ledger": server.url})
                for one in range(number)
            ]
            return [stack.enter_context(one) for one in made]

        yield start


def counts(exporters: list[ExporterProcess]) -> set[float]:
    return {one.total(names.SESSION_ENDS, code="4001") for one in exporters}


def test_events_count_once_while_exporters_stop(
    started: Callable[[int], list[ExporterProcess]], tmp_path: Path
) -> None:
    exporters = started(3)
    with Entry(tmp_path, exporters) as entry:
        assert entry.watch() == 200
        posted = []

        def post(number: int) -> None:
            for _ in range(number):
                posted.append({"id": f"e{len(posted)}", "system": "streampixel", "code": 4001})
                assert entry.post(posted[-1]).json["accepted"] == 1

        post(6)
        took = [one.total("session_exporter_accepted_events_total") for one in exporters]
        assert took == [2, 2, 2]
        wait_for(lambda: counts(exporters) == {6}, what="the same counts from all")
        # At once: the next events do not wait for a health check.
        exporters[0].kill()
        post(6)
        # A retry that reaches another exporter is known there.
        assert entry.post(posted).json == {"accepted": 0, "duplicates": 12, "rejected": []}
        wait_for(lambda: counts(exporters[1:]) == {12}, what="the same counts from both")
        exporters[1].stop()
        exporters[2].stop()
        wait_for(lambda: entry.watch() == 503, what="an entry that leads nowhere")
        refused = entry.post(posted[0])
        assert refused.status == 503
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json["status"] == 503


def test_exporter_without_its_ledger_gets_no_events(
    started: Callable[[int], list[ExporterProcess]], tmp_path: Path
) -> None:
    (able,) = started(1)
    with RedisServer(tmp_path / "other") as other:
        alone = ExporterProcess(tmp_path / "alone", settings={"ledger": other.url})
        with alone, Entry(tmp_path, [able, able, alone]) as entry:
            other.pause()
            wait_for(
                lambda: alone.request("ops", "GET", names.READY_PATH).status == 503,
                what="an exporter that does not reach its ledger",
            )
            # Two failed checks, a second apart; an event that comes before them is answered 503.
            deadline = time.monotonic() + 20
            statuses: list[int] = []
            while statuses[-9:] != [200] * 9:
                assert time.monotonic() < deadline, statuses
                event = {"id": str(len(statuses)), "system": "softdrive"}
                statuses.append(entry.post(event).status)
            other.resume()


def test_entry_health_check_asks_its_monitor_path() -> None:
    assert OURS["entry"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:10400{WATCH}"
    assert f"monitor-uri {WATCH}\n" in CONFIG.read_text()
    (port,) = OURS["entry"]["ports"]
    assert port.endswith(":10400")
