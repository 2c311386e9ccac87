"""Row 38 of the fault table: two jobs or two servers of a real Prometheus scrape one exporter."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from exporter import names, rule_files
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess, rules_every_second
from tests.faults.senders import ends
from tests.faults.table import Missed, Mutant, reached, row

_EVENTS: Final = 1000
_JOB: Final = "session-end-exporter"
_RECORD: Final = f'{names.RULE_COUNT}5m{{system="streampixel"}}'
_SCRAPED: Final = f'sum({names.SESSION_ENDS}{{system="streampixel"}})'
_GLOBAL: Final = {"scrape_interval": "500ms"}


def _counted(folder: Path, servers: Sequence[str], mutant: str) -> dict[str, float]:
    """How many of `_EVENTS` the rules of each server count. The server "HA pair" reads the samples of a pair.

    Raises `Missed` when an alert fires.
    """
    rules = rules_every_second(folder / "rules")
    for path in rules if mutant else ():
        path.write_text(path.read_text().replace(mutant, ""))
    with ExitStack() as stack:
        exporter = stack.enter_context(ExporterProcess(folder / "data"))

        def server(name: str, *jobs: str, **config: Any) -> PrometheusProcess:
            prometheus = PrometheusProcess(folder / name, [])
            targets = [{"targets": [f"127.0.0.1:{exporter.ports['ops']}"]}]
            scrapes = [{"job_name": job, "static_configs": targets} for job in jobs]
            document = {"global": _GLOBAL, "scrape_configs": scrapes, **config}
            (folder / name / "prometheus.yml").write_text(json.dumps(document))
            return stack.enter_context(prometheus)

        files = {"rule_files": [*map(str, rules)]}
        started = {
            name: server(name, *jobs, **files)
            for name, jobs in (("one job", [_JOB]), ("two jobs", [_JOB, "again"]))
            if name in servers
        }
        if "HA pair" in servers:
            labels = ({"external_labels": {"prometheus_replica": name}} for name in "ab")
            pair = [
                server(str(at), _JOB, **{"global": _GLOBAL | own}) for at, own in enumerate(labels)
            ]
            reads = [{"url": f"{source.url}/api/v1/read", "read_recent": True} for source in pair]
            started["HA pair"] = server("HA pair", remote_read=reads, **files)

        def wait_in_each(promql: str, what: str) -> None:
            for name, prometheus in started.items():
                query = promql.replace("SCRAPES", "1" if name == "one job" else "2")
                wait_for(lambda: prometheus.query(query), what=f"{what}: {name}")  # noqa: B023

        wait_in_each(f'count(up{{job=~"{_JOB}|again"}} == 1) == SCRAPES', "scrapes of the exporter")
        wait_in_each(f"sum({_RECORD}) == 0", "a record of the zeros")
        assert exporter.post(ends("event", 0, _EVENTS)).json["accepted"] == _EVENTS
        wait_in_each(f"{_SCRAPED} == SCRAPES * {_EVENTS}", "scrapes of all events")
        # increase() extrapolates to the end of the window; after some scrapes, by less than half of the
        # count.
        wait_in_each(f"max(timestamp({_RECORD})) > {time.time() + 5}", "later records")
        # On a busy machine a scrape may take longer than half a second: the exporter seems to be down.
        seems_down = 'ALERTS{alertname="SessionEndExporterDown", alertstate="pending"}'
        query = f'ALERTS{{severity=~"page|ticket"}} unless {seems_down}'
        alerts = [prometheus.query(query) for prometheus in started.values()]
        if any(alerts):
            raise Missed(f"alerts fire: {alerts}")
        return {
            name: sum(prometheus.query(_RECORD).values()) for name, prometheus in started.items()
        }


@row(
    38,
    "double scrape, HA pair",
    "same counts",
    # The code of this mutant is the text that is removed from the rules.
    Mutant("maximum over jobs", "job, replica, prometheus_replica, ", "× [12]"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    assert mutant in (rule_files.RULES / "session-ends.yml").read_text()
    servers = ["two jobs"] if mutant else ["two jobs", "HA pair"]
    counts = _counted(folder, servers if quick else ["one job", *servers], mutant)
    # On each server, increase() extrapolates over a different part of a scrape interval.
    single, least, most = (_EVENTS, 1, 1.5) if quick else (counts.pop("one job"), 0.8, 1.25)
    figure = ", ".join(f"{count:,.0f} with {name}" for name, count in counts.items())
    worst = max(counts.values()) / single
    return reached(
        f"{_EVENTS:,} events: {single:,.0f} with one job, {figure}, × {worst:.2f}",
        least <= min(counts.values()) / single and worst < most,
    )
