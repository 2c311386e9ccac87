"""One exporter that several Prometheus servers or jobs scrape: rules count each end once."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from exporter import rule_files
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess

ENDS = 1000
RECORD = 'system_code:session_ends:increase5m{system="streampixel"}'
COUNT = f"sum({RECORD})"
SCRAPED = 'sum(session_ends_total{system="streampixel"})'
JOB = "session-end-exporter"


def server(
    folder: Path,
    *,
    jobs: Sequence[str] = (),
    target: str = "",
    replica: str = "",
    sources: Sequence[PrometheusProcess] = (),
    rules: Path | None = None,
) -> PrometheusProcess:
    """A Prometheus, not started, whose jobs scrape `target`. Queries also read the samples of `sources`."""
    prometheus = PrometheusProcess(folder, [])
    config = {
        "global": {
            "scrape_interval": "500ms",
            "external_labels": {"prometheus_replica": replica} if replica else {},
        },
        "rule_files": [f"{rules}/*.yml"] if rules else [],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job in jobs
        ],
        "remote_read": [{"url": f"{url.url}/api/v1/read", "read_recent": True} for url in sources],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    return prometheus


def wait_for_result(prometheus: PrometheusProcess, promql: str, what: str) -> None:
    wait_for(lambda: prometheus.query(promql), what=what)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, PrometheusProcess]]:
    """Servers with the shipped rules, after `ENDS` ends: one with two jobs, one that reads two replicas."""
    folder = tmp_path_factory.mktemp("topology")
    rules = folder / "rules"
    rules.mkdir()
    for path in rule_files.folder().glob("*.yml"):
        text = path.read_text().replace("interval: 30s", "interval: 500ms")
        (rules / path.name).write_text(text)
    with contextlib.ExitStack() as stack:
        exporter = stack.enter_context(ExporterProcess(folder / "ledger"))
        target = f"127.0.0.1:{exporter.ports['ops']}"
        replicas = [
            server(folder / name, jobs=[JOB], target=target, replica=name) for name in ("a", "b")
        ]
        named = {
            "two jobs": server(folder / "jobs", jobs=[JOB, "again"], target=target, rules=rules),
            "two replicas": server(folder / "query", sources=replicas, rules=rules),
        }
        for program in (*replicas, *named.values()):
            stack.enter_context(program)
        for prometheus in named.values():
            scraped = f'count(up{{job=~"{JOB}|again"}} == 1) == 2'
            wait_for_result(prometheus, scraped, "two scrapes of the exporter")
            wait_for_result(prometheus, f"{COUNT} == 0", "a record of the zeros")
        event = {"system": "streampixel", "code": 1000}
        events = [{"id": f"event-{number}", **event} for number in range(ENDS)]
        assert exporter.post(events).json["accepted"] == ENDS
        for prometheus in named.values():
            wait_for_result(prometheus, f"{SCRAPED} == {2 * ENDS}", "both scrapes of all ends")
        # increase() extrapolates to the end of the window: after some scrapes, by less than a half.
        since = time.time() + 5
        for prometheus in named.values():
            wait_for_result(prometheus, f"max(timestamp({RECORD})) > {since}", "later records")
        yield named


@pytest.mark.parametrize("scraped_by", ["two jobs", "two replicas"])
def test_exporter_scraped_twice_has_the_counts_of_one_scrape_and_no_alert(
    servers: dict[str, PrometheusProcess], scraped_by: str
) -> None:
    prometheus = servers[scraped_by]
    (count,) = prometheus.query(COUNT).values()
    assert ENDS <= count < 1.5 * ENDS
    assert prometheus.query('ALERTS{severity=~"page|ticket"}') == {}
