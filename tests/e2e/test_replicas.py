"""Replicas over one shared ledger: what senders, a real Prometheus and the shipped rules make of them."""

import random
import subprocess
import time
from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.replicas import Replicas
from tests.ledger.redis_server import RedisServer


def _quick_rules(folder: Path) -> Path:
    """The shipped recording rules, evaluated each second."""
    text = (ROOT / "rules/session-ends.yml").read_text()
    rules = folder / "session-ends.yml"
    rules.write_text(text.replace("interval: 30s", "interval: 1s"))
    return rules


def test_three_replicas_count_exactly_and_the_rules_do_not_triple_it(tmp_path: Path) -> None:
    """A fifth of the requests is sent once more, to another replica than before."""
    with (
        RedisServer(tmp_path / "redis") as server,
        Replicas(tmp_path, server.url, 3) as replicas,
        PrometheusProcess(
            tmp_path / "prometheus",
            [f"127.0.0.1:{one.ports['ops']}" for one in replicas.exporters],
            rules=[_quick_rules(tmp_path)],
        ) as prometheus,
    ):
        wait_for(lambda: len(prometheus.query("up == 1")) == 3, what="three scrapes")
        per_instance = f"sum by (instance) ({names.RULE_SUM})"
        wait_for(lambda: len(prometheus.query(per_instance)) == 3, what="zeros of three replicas")
        load = replicas.load(senders=3, batch=50)
        load.start()
        wait_for(lambda: load.acknowledged > 3000, what="3,000 acknowledged events")
        load.finish()
        assert replicas.agree() == load.sent
        [ledger] = {
            dict(labels)["ledger"]
            for one in replicas.exporters
            for (name, labels) in one.metrics()
            if name == names.SESSION_ENDS
        }
        assert len(ledger) == 8

        def recorded() -> bool:
            values = prometheus.query(per_instance).values()
            return sorted(values) == [load.sent] * 3

        wait_for(recorded, what="records of all events on each replica")
        once = f"sum(max by (ledger, system, code, category, outcome) ({names.RULE_SUM}))"
        assert list(prometheus.query(once).values()) == [load.sent]
        # increase() extrapolates to the window's ends, by less than a tenth here: three times it is not.
        counted = sum(prometheus.query(f"{names.RULE_COUNT}1h").values())
        assert 0.9 * load.sent < counted < 1.2 * load.sent
        resets = f"sum(resets({names.SESSION_ENDS}[1h]))"
        assert list(prometheus.query(resets).values()) == [0]


def test_kill_9_of_a_replica_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)
    with (
        RedisServer(tmp_path / "redis") as server,
        Replicas(tmp_path, server.url, 2) as replicas,
    ):
        load = replicas.load()
        load.start()
        for number in range(4):
            before = load.acknowledged
            wait_for(lambda at=before: load.acknowledged > at, what="an acknowledged event")
            time.sleep(rng.uniform(0.0, 0.1))  # when in its work the process is hit is random
            killed = replicas.exporters[number % 2]
            ports, killed.ports = killed.ports, {}
            killed.kill()
            assert ports
            acknowledged = load.acknowledged
            killed.start()
            assert acknowledged <= killed.total(names.SESSION_ENDS), "shown from the first scrape"
        load.finish()
        assert load.retries > 0, "no sender was ever cut off: the kills hit nothing"
        assert replicas.agree() == load.sent


def test_a_replica_is_ready_while_its_engine_is_and_says_why_it_is_not(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "redis") as server,
        ExporterProcess(
            tmp_path / "data", settings={"ledger": server.url, "ledger_timeout": 1}
        ) as exporter,
    ):
        event = {"id": "a", "system": "streampixel", "code": 4001}
        assert exporter.post(event).json["accepted"] == 1
        assert exporter.request("ops", "GET", "/-/ready").status == 200
        server.pause()
        try:
            wait_for(lambda: exporter.request("ops", "GET", "/-/ready").status == 503)
            refused = exporter.post(event)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
            assert refused.json["reason"] == "ledger_unavailable"
            assert exporter.total(names.SESSION_ENDS, code="4001") == 1
            assert exporter.total(names.LEDGER_WRITABLE) == 0
        finally:
            server.resume()
        wait_for(lambda: exporter.request("ops", "GET", "/-/ready").status == 200)
        assert exporter.post(event).json["duplicates"] == 1
        assert not exporter.data_dir.exists(), "there is nothing to keep in a folder"
        assert exporter.stop() == 0
        events = [line["event"] for line in exporter.lines()]
        assert "ledger_unavailable" in events
        assert "ledger_recovered" in events


def test_an_engine_that_is_set_up_to_lose_is_said_in_log_page_and_metric(tmp_path: Path) -> None:
    with (
        RedisServer(
            tmp_path / "redis", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"
        ) as server,
        ExporterProcess(tmp_path / "data", settings={"ledger": server.url}) as exporter,
    ):
        page = exporter.request("ops", "GET", "/").body.decode()
        body = exporter.request("ops", "GET", "/metrics").body
        for setting in ("appendonly", "maxmemory_policy"):
            assert exporter.total(names.LEDGER_MISCONFIGURED, setting=setting) == 1
        assert exporter.total(names.LEDGER_MISCONFIGURED, setting="version") == 0
        assert "Set appendonly yes." in page
        assert "Set noeviction." in page
        said = [line for line in exporter.lines() if line["event"] == "ledger_misconfigured"]
        assert {line["setting"] for line in said} == {"appendonly", "maxmemory_policy"}
        ran = subprocess.run(
            ["promtool", "check", "metrics"], input=body, capture_output=True, check=False
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")


def test_a_ledger_of_another_shape_ends_an_exporter_with_a_clear_message(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        settings = {"ledger": server.url, "ledger_shards": 4}
        with ExporterProcess(tmp_path / "data", settings=settings):
            pass
        settings = {"ledger": server.url.replace("//", "//me@"), "ledger_shards": 5}
        other = ExporterProcess(tmp_path / "other", settings=settings)
        server.command("ACL", "SETUSER", "me", "on", "nopass", "allkeys", "allcommands")
        other.launch()
        assert other.wait() == 1
        assert "ledger_shards = 5: the shared ledger was begun with 4" in other.log
        assert "Traceback" not in other.log
