"""deploy/compose/haproxy.cfg: the real program in front of real exporters over one real ledger."""

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from deploy.demo.program import Program
from exporter import names
from tests.deploy.test_compose import EXPORTERS, FOLDER, REPLICAS
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faults.replicas import replicas
from tests.ledger.redis_server import RedisServer

CONFIG: Final = FOLDER / "haproxy.cfg"
MONITOR: Final = "/-/entry"


class Entry(Program):
    """HAProxy with the configuration, whose names are replaced by these exporters' addresses."""

    def __init__(self, folder: Path, exporters: list[ExporterProcess]) -> None:
        self.ports = {"ingest": free_port()}
        addresses = {"bind :10400": f"bind 127.0.0.1:{self.ports['ingest']}"}
        for name, exporter in zip(EXPORTERS, exporters, strict=True):
            addresses[f"server {name} {name}:10400"] = (
                f"server {name} 127.0.0.1:{exporter.ports['ingest']} check port "
                f"{exporter.ports['ops']}"
            )
        text = CONFIG.read_text(encoding="utf-8")
        for shipped, own in addresses.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, own)
        config = folder / "haproxy.cfg"
        config.write_text(text)
        super().__init__(
            ["haproxy", "-db", "-f", str(config)],
            folder / "haproxy.log",
            f"http://127.0.0.1:{self.ports['ingest']}{MONITOR}",
        )

    def status(self) -> int:
        """The status of the path that compose's health check requests."""
        return self.request("ingest", "GET", MONITOR).status

    request = ExporterProcess.request
    post = ExporterProcess.post


def counts(exporters: list[ExporterProcess]) -> set[float]:
    return {exporter.total(names.SESSION_ENDS, code="4001") for exporter in exporters}


def test_events_count_once_while_exporters_stop(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "redis") as server,
        replicas(tmp_path, server.url, 3) as exporters,
        Entry(tmp_path, exporters) as entry,
    ):
        assert entry.status() == 200
        posted = []

        def post(number: int) -> None:
            for _ in range(number):
                posted.append({"id": f"e{len(posted)}", "system": "streampixel", "code": 4001})
                assert entry.post(posted[-1]).json["accepted"] == 1

        post(6)
        accepted = "session_exporter_accepted_events_total"
        assert [exporter.total(accepted) for exporter in exporters] == [2, 2, 2]
        wait_for(lambda: counts(exporters) == {6}, what="the same counts from all")
        # At once: the next events do not wait for a health check.
        exporters[0].kill()
        post(6)
        # An event that is retried at another exporter is a duplicate there.
        assert entry.post(posted).json == {"accepted": 0, "duplicates": 12, "rejected": []}
        wait_for(lambda: counts(exporters[1:]) == {12}, what="the same counts from both")
        exporters[1].stop()
        exporters[2].stop()
        wait_for(lambda: entry.status() == 503, what="an entry without exporters")
        refused = entry.post(posted[0])
        assert (refused.status, refused.json["status"]) == (503, 503)
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers["Content-Type"] == "application/problem+json"


def test_exporter_without_its_ledger_gets_no_events(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "redis") as server,
        RedisServer(tmp_path / "other") as other,
        replicas(tmp_path, server.url, 1) as exporters,
    ):
        alone = ExporterProcess(tmp_path / "alone", settings={"ledger": other.url})
        with alone, Entry(tmp_path, [*exporters * 2, alone]) as entry:
            other.pause()
            wait_for(
                lambda: alone.request("ops", "GET", names.READY_PATH).status == 503,
                what="an exporter that does not reach its ledger",
            )
            # HAProxy needs two failed checks, a second apart; an event before the second check is answered
            # 503.
            statuses: list[int] = []

            def only_able() -> bool:
                event = {"id": str(len(statuses)), "system": "softdrive"}
                statuses.append(entry.post(event).status)
                return statuses[-9:] == [200] * 9

            wait_for(only_able, what="nine accepted events in a row")
            other.resume()


def test_exporter_that_trusts_the_entry_learns_the_address_of_a_client(tmp_path: Path) -> None:
    settings = {"trusted_proxies": "127.0.0.1"}
    with (
        ExporterProcess(tmp_path / "data", settings=settings) as exporter,
        Entry(tmp_path, [exporter] * 3) as entry,
    ):
        wait_for(lambda: entry.status() == 200, what="an exporter that is ready")
        forged = {"X-Forwarded-For": "198.51.100.1"}
        client = HTTPConnection("127.0.0.1", entry.ports["ingest"], source_address=("127.0.0.2", 0))
        with closing(client):
            client.request("POST", names.INGEST_PATH, b"{", forged)
            assert client.getresponse().status == 415
        (line,) = (line for line in exporter.lines() if line["event"] == "request refused")
    assert line["client"] == "127.0.0.2"


def test_health_check_asks_the_monitor_path() -> None:
    entry = REPLICAS["services"]["entry"]
    assert entry["healthcheck"]["test"][-1] == f"http://127.0.0.1:10400{MONITOR}"
    assert f"monitor-uri {MONITOR}\n" in CONFIG.read_text()
