"""Evaluation time of the shipped rules in a real Prometheus, by the number of label values.

Prometheus has a week of the records and a day of the other series that the rules read.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from deploy.demo.past import SUM_LABELS
from exporter import names
from exporter.metrics.exposition import escaped
from exporter.taxonomy.loader import load
from tests.bench.setup import Setup
from tests.bench.turns import Measure, Sample
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess, rules_every_second
from tests.programs import output

SCRAPED: Final = (
    *(names.SESSION_END_CODE_INFO, names.SESSION_END_CODE_HELP, names.LINKS_INFO),
    *("process_start_time_seconds", names.ACCEPTED_EVENTS),
)
ACCEPTED_SNAPSHOT: Final = "instance:session_exporter_accepted_events:total_snapshot"
EVALUATIONS: Final = 2
"""Of each group in a turn."""


@contextmanager
def evaluation(values: int, setup: Setup) -> Iterator[Measure]:
    """Milliseconds of one evaluation of all groups, over every code with that many values of a label."""
    folder = setup.new_folder()
    settings = {"labels": "region", "max_label_values": 100, "first_seen_zero_for": 0}
    with setup.exporter(settings) as exporter:
        _post(exporter, setup.scaled(values))
        target = f"127.0.0.1:{exporter.ports['ops']}"
        # An evaluation costs the same each second, and comes sooner.
        rules = rules_every_second(folder / "rules", r"\w+", setup.root / "rules")
        prometheus = PrometheusProcess(folder / "prometheus", [target], rules=rules)
        every = 1500 if setup.quick else 30
        _write_week(exporter, folder / "prometheus" / "data", target, every)
        with prometheus:
            known = "count(system_code:session_ends:threshold5m)"
            wait_for(lambda: prometheus.query(known), 60, "an evaluation of all groups")
            yield partial(_evaluated, prometheus)


def _post(exporter: ExporterProcess, values: int) -> None:
    events = [
        {"system": system.system, "code": code.code, "labels": {"region": f"region-{number}"}}
        for system in load().systems.values()
        for code in system.codes
        for number in range(values)
    ]
    for start in range(0, len(events), 1000):
        assert exporter.post(events[start : start + 1000]).status == 200


def _evaluated(prometheus: PrometheusProcess) -> Sample:
    """The sum of the groups' medians, over the evaluations from now on."""
    groups = prometheus.get("rules")["groups"]
    first = {group["name"]: group["lastEvaluation"] for group in groups}
    times: dict[str, dict[str, float]] = {name: {} for name in first}

    def evaluated() -> bool:
        for group in prometheus.get("rules")["groups"]:
            if group["lastEvaluation"] != first[group["name"]]:
                times[group["name"]][group["lastEvaluation"]] = float(group["evaluationTime"])
        return all(len(group) >= EVALUATIONS for group in times.values())

    wait_for(evaluated, 60, f"{EVALUATIONS} evaluations of every group")
    seconds = sum(median(group.values()) for group in times.values())
    rules = sum(len(group["rules"]) for group in groups)
    # A scrape that takes longer than a second fails, and would leave no series at this instant.
    recent = 'count(last_over_time({__name__=~"session_.+"}[1m]))'
    series = sum(prometheus.query(recent).values())
    return Sample(1000 * seconds, note=f"{rules} rules over {series:,.0f} series")


def _write_week(exporter: ExporterProcess, data: Path, instance: str, every: int) -> None:
    """Write to Prometheus' `data` what the rules read of a week with an end of each code every half-minute.

    Scraped series and sums have a sample per `every` seconds for a day.
    """
    per_series = {
        frozenset(pair for pair in labels if pair[0] in SUM_LABELS) | {("instance", instance)}
        for name, labels in exporter.metrics()
        if name == "session_ends_total"
    }
    per_code = {
        frozenset(pair for pair in labels if pair[0] in ("system", "code")) for labels in per_series
    }
    per_outcome = {
        frozenset(pair for pair in labels if pair[0] in ("system", "outcome"))
        for labels in per_series
    }
    target = {("instance", instance), ("job", "exporter")}
    scraped: dict[str, set[frozenset[tuple[str, str]]]] = {name: set() for name in SCRAPED}
    for name, labels in exporter.metrics():
        if name in scraped:
            scraped[name].add(labels | target)
    now = int(time.time()) // 600 * 600
    day, week = range(now - 86400, now, every), range(now - 7 * 86400, now, 1800)
    lines = []
    for name, series, times in (
        (names.RULE_SUM, per_series, day),
        (names.RULE_SUM_SNAPSHOT, per_series, day[::4]),
        (f"{names.RULE_SHARE}6h_snapshot", per_code, week),
        (f"{names.RULE_SHARE}7d_snapshot", per_code, week),
        (f"{names.RULE_COUNT}1d_snapshot", per_code, week),
        (names.RULE_COUNT + "90s", per_code, range(now - 21600, now, every)),
        ("system_code:session_ends:capped90s", per_code, range(now - 3600, now, every)),
        (names.RULE_COUNT_BY_OUTCOME + "6h", per_outcome, range(week[0], now, 4 * every)),
        (ACCEPTED_SNAPSHOT, scraped[names.ACCEPTED_EVENTS], week),
        *((name, series, day) for name, series in scraped.items()),
    ):
        for labels in series:
            inner = ",".join(f'{label}="{escaped(value)}"' for label, value in sorted(labels))
            lines += [f"{name}{{{inner}}} {at // 30 - day[0] // 30} {at}" for at in times]
    text = data.with_suffix(".openmetrics")
    text.write_text("\n".join([*lines, "# EOF", ""]))
    create = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h")
    output(*create, text, data)
