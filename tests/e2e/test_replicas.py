"""Replicas over one shared ledger, with senders, a real Prometheus and the shipped rules."""

from pathlib import Path

from exporter import names
from tests.e2e.exporter_process import wait_for
from tests.e2e.prometheus_process import PrometheusProcess, rules_every_second
from tests.faults.replicas import agreed, replicas
from tests.faults.senders import Load
from tests.ledger.redis_server import RedisServer


def test_rules_count_the_events_of_three_replicas_once(tmp_path: Path) -> None:
    """A fifth of the requests is sent again, to another replica. Rules are evaluated each second."""
    with (
        RedisServer(tmp_path / "redis") as server,
        replicas(tmp_path, server.url, 3) as exporters,
        PrometheusProcess(
            tmp_path / "prometheus",
            [f"127.0.0.1:{exporter.ports['ops']}" for exporter in exporters],
            rules=rules_every_second(tmp_path / "rules"),
        ) as prometheus,
    ):
        wait_for(lambda: len(prometheus.query("up == 1")) == 3, what="three scrapes")
        per_instance = f"sum by (instance) ({names.RULE_SUM})"
        wait_for(lambda: len(prometheus.query(per_instance)) == 3, what="zeros of three replicas")
        with Load(exporters, 3, batch=50) as load:
            load.wait_for_acknowledged(3000)
        assert agreed(exporters) == load.sent
        assert not exporters[0].data_dir.exists(), "a shared ledger needs no folder"
        [ledger] = {
            dict(labels)["ledger"]
            for exporter in exporters
            for (name, labels) in exporter.metrics()
            if name == names.SESSION_ENDS
        }
        assert len(ledger) == 8
        expected = [load.sent] * 3
        wait_for(
            lambda: list(prometheus.query(per_instance).values()) == expected,
            what="records of all events on each replica",
        )
        once = f"sum(max by (ledger, system, code, category, outcome) ({names.RULE_SUM}))"
        assert list(prometheus.query(once).values()) == [load.sent]
        # increase() extrapolates to both ends of the window, here by less than a tenth.
        counted = sum(prometheus.query(f"{names.RULE_COUNT}1h").values())
        assert 0.9 * load.sent < counted < 1.2 * load.sent
        resets = f"sum(resets({names.SESSION_ENDS}[1h])) + sum(resets({names.RULE_SUM}[1h]))"
        assert list(prometheus.query(resets).values()) == [0]
