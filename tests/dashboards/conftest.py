"""A Prometheus whose history has four states: empty, exporter, exporter with rules, and traffic of two
clusters.

Metrics and labels are those of a real exporter; recorded series and alerts are results of the rules. Counters
rise by as much each minute, so results are exact. In the last state each cluster has two replicas of one
ledger, and two jobs scrape one of them; the clusters have the same systems, codes and addresses.
"""

import contextlib
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from exporter import names
from exporter.backtest.replay import load_rules
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, labels
from tests.dashboards.shipped import PanelQuery, interpolated
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.promql.history import write_blocks
from tests.promql.promtool import at_interval, query
from tests.rule_groups import RULES
from tests.streampixel.stats_server import USER, StatsServer, key_file
from tests.streampixel.webhook import TOKEN, body, token_file

HOUR = 3600
MINUTE = 60
STATES: Final = ("empty", "exporter", "rules", "traffic")
SYSTEM = "streampixel"
VALUES = {"system": SYSTEM, "code": "4001", "instance": ".+", "label": "region"}
PER_MINUTE = {"1000": 19, "4004": 2, "4001": 6}
"""Ends of a success, a neutral end and a failure. One of them is a repeat, which rules leave out."""
OUTAGE = 20
"""Minutes until the end of the last state in which sessions end with 4001."""
REGIONS = {"ap": 0.75, "eu": 0.25}
TARGETS = (("x", "exporter:1"), ("y", "exporter:1"), ("x", "exporter:2"))
"""Job and instance."""
RUNBOOKS = "http://runbooks.example"
Labels = dict[str, str]


@contextlib.contextmanager
def exporter_with_all_metrics(folder: Path) -> Iterator[ExporterProcess]:
    with StatsServer() as platform:
        settings = {
            "labels": "region",
            "first_seen_zero_for": 0,
            "runbook_url": RUNBOOKS,
            "streampixel_webhook_token_file": token_file(folder),
            "live_stats_projects": "p1",
            "live_stats_user": USER,
            "live_stats_key_file": key_file(folder),
            "live_stats_url": platform.url,
        }
        with ExporterProcess(folder / "ledger", settings=settings) as exporter:
            events = [
                {"system": SYSTEM, "code": code, "labels": {"region": region}}
                for code, region in itertools.product(PER_MINUTE, REGIONS)
            ]
            assert exporter.post(events).json["accepted"] == len(events)
            build = body("build.approved", timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
            headers = {"Content-Type": "application/json"}
            path = names.BUILDS_PATH + TOKEN
            assert exporter.request("ingest", "POST", path, build, headers).status == 200
            wait_for(lambda: exporter.total(names.LIVE_USERS) == 7)
            yield exporter


class States:
    """`ask` evaluates a query at the end of a state."""

    def __init__(self, folder: Path, exporter: ExporterProcess) -> None:
        self.exporter = exporter
        self._now = time.time() // HOUR * HOUR
        self.prometheus = PrometheusProcess(folder / "prometheus", [])
        self._exported = {
            (metric, own): value
            for (metric, own), value in exporter.metrics().items()
            if re.match(r"session_|process_start_time_seconds", metric)
        }
        single = ((("", *TARGETS[0]),), 1.0, False)
        everything = tuple(
            (cluster, *target) for cluster, target in itertools.product("ab", TARGETS)
        )
        history = [
            self._scraped(1, *single),
            *self._with_rules(2, *single),
            *self._with_rules(3, everything, 2.5, True),
        ]
        write_blocks(history, folder / "prometheus" / "data")

    def ask(self, query: PanelQuery | str, state: str, **values: str) -> dict[frozenset, float]:
        expr = query if isinstance(query, str) else query.expr
        at = self.end(state)
        built_in = {"__rate_interval": "5m", "__from": f"{1000 * (at - HOUR):.0f}"}
        return self.prometheus.query(interpolated(expr, **(VALUES | built_in | values)), at)

    def end(self, state: str) -> float:
        """The states are more than an hour apart, because the rules keep the texts of codes for an hour."""
        return self._now - (len(STATES) - STATES.index(state)) * 4 * HOUR

    def _scraped(
        self, state: int, targets: Iterable[tuple[str, str, str]], hours: float, traffic: bool
    ) -> Samples:
        end = self.end(STATES[state])
        times = np.arange(end - hours * HOUR, end + 1, MINUTE)
        minutes = np.arange(len(times))
        series, rows = [], []
        for (cluster, job, instance), ((metric, own), value) in itertools.product(
            targets, self._exported.items()
        ):
            target = {"cluster": cluster, "job": job, "instance": instance}
            shown = {**dict(own), **target}
            if "ledger" in shown:
                shown["ledger"] = f"ledger-{cluster}"
            values = np.full(len(times), value)
            if metric.endswith(("_total", "_bucket")):
                rate, begin = _rise(metric, shown)
                values = rate * traffic * np.maximum(minutes - begin % len(times), 0)
            present = {name: text for name, text in shown.items() if text}
            series.append(labels(present | {METRIC_NAME: metric}))
            rows.append(values)
        numbers = np.array(rows, dtype=np.float64)
        return Samples(
            (times * 1000).astype(np.int64), tuple(series), numbers, np.isfinite(numbers)
        )

    def _with_rules(self, state: int, targets: Any, hours: float, traffic: bool) -> list[Samples]:
        """The rules read one target of each cluster: replicas do not change their results."""
        scraped = self._scraped(state, targets, hours, traffic)
        first = self._scraped(state, [t for t in targets if t[1:] == TARGETS[0]], hours, traffic)
        times = scraped.times / 1000
        run = Run(at_interval(load_rules(RULES), MINUTE), [first], times[0], times[-1], keep=True)
        every = query(run, '{__name__=~"ALERTS|.+:.+"}', times)
        return [scraped, Samples(scraped.times, every.labels, every.values, every.present)]


def _rise(metric: str, shown: Labels) -> tuple[float, int]:
    """How much a counter rises each minute, and from which minute on."""
    if metric.startswith("session_exporter_"):
        return 1, 0
    outcomes = dict(zip(("success", "neutral", "failure"), PER_MINUTE, strict=True))
    code = shown.get("code") or outcomes.get(shown.get("outcome", ""), "")
    if shown["system"] != SYSTEM or code not in PER_MINUTE:
        return 0, 0
    begin = -OUTAGE - 1 if code == "4001" else 0
    if metric == names.SESSION_END_REPEATS:
        return 1, begin
    if metric in (names.SESSION_ENDS, names.SESSION_ENDS_BY_LABEL):
        region = shown.get("region") or shown.get("value", "")
        return PER_MINUTE[code] * REGIONS.get(region, 0), begin
    return PER_MINUTE[code], begin


@pytest.fixture(scope="package")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    folder = tmp_path_factory.mktemp("states")
    with exporter_with_all_metrics(folder) as exporter:
        built = States(folder, exporter)
        with built.prometheus:
            yield built
