"""A Prometheus whose history has four states: empty, exporter, exporter with rules, and traffic of two
clusters.

The values of the series are constants, and the counters rise by as much each minute: results are exact. In
the last state each cluster has two replicas of one ledger, and two jobs scrape one of them; the clusters have
the same systems, codes and addresses.
"""

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from exporter import names
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, labels
from tests.dashboards.shipped import QUERIES, PanelQuery, interpolated, metrics, parsable
from tests.e2e.prometheus_process import PrometheusProcess
from tests.promql.history import write_blocks
from tests.rule_groups import recording

HOUR = 3600
MINUTE = 60
STATES: Final = ("empty", "exporter", "rules", "traffic")
VALUES = {"system": "alpha", "code": "20", "instance": ".+", "label": "region"}
CODES = {"10": ("success", 90), "20": ("failure", 10), "30": ("neutral", 0)}
"""Outcome of each code, and its count in each recorded window, which is also its counter's rise per hour."""
WORDS = {
    "name": "Name",
    "phase": "stream",
    "category": "network_path",
    "owner": "platform",
    "severity": "page",
}
OBJECTIVE = 0.995
TARGETS = (("x", "exporter:1"), ("y", "exporter:1"), ("x", "exporter:2"))
"""Job and instance."""
Labels = dict[str, str]
Row = tuple[Labels, float]


class States:
    """`ask` evaluates a query at the end of a state."""

    def __init__(self, folder: Path) -> None:
        self._now = time.time() // MINUTE * MINUTE
        self.prometheus = PrometheusProcess(folder / "prometheus", [])
        history = [
            *self._series(1, 1, traffic=False),
            *self._series(2, 1, traffic=False, rules=True),
        ]
        history += self._series(
            3, 2, traffic=True, rules=True, clusters=("a", "b"), targets=TARGETS
        )
        write_blocks(history, folder / "prometheus" / "data")

    def ask(self, query: PanelQuery | str, state: str, **values: str) -> dict[frozenset, float]:
        expr = query if isinstance(query, str) else query.expr
        at = self._end(STATES.index(state))
        built_in = {"__rate_interval": "5m", "__from": f"{1000 * (at - HOUR):.0f}"}
        return self.prometheus.query(interpolated(expr, **(VALUES | built_in | values)), at)

    def ask_range(self, query: PanelQuery, first: str, last: str) -> list[Labels]:
        """Labels of all series from the end of a state to the end of another."""
        start, end = (self._end(STATES.index(state)) for state in (first, last))
        expr = interpolated(query.expr, **VALUES)
        data = self.prometheus.get("query_range", query=expr, start=start, end=end, step=600)
        return [row["metric"] for row in data["result"]]

    def _end(self, state: int) -> float:
        """The states are more than an hour apart, because the rules keep the texts of codes for an hour."""
        return self._now - (len(STATES) - state) * 3 * HOUR

    def _series(
        self,
        state: int,
        hours: float,
        *,
        traffic: bool,
        rules: bool = False,
        clusters: tuple[str, ...] = ("",),
        targets: tuple[tuple[str, str], ...] = (("x", "exporter:1"),),
    ) -> Iterator[Samples]:
        times = np.arange(self._end(state) - hours * HOUR, self._end(state) + 1, MINUTE)
        minutes = np.arange(len(times))
        exported = list(_exported(traffic))
        recorded = list(_recorded(traffic)) if rules else []
        rows: dict[str, list[tuple[Labels, np.ndarray]]] = {}
        for cluster in clusters:
            place = {"cluster": cluster} if cluster else {}
            for (job, instance), (metric, own, value) in itertools.product(targets, exported):
                rises = metric.endswith(("_total", "_bucket"))
                values = value * minutes / 60 if rises else np.full(len(times), value)
                target = {**place, "job": job, "instance": instance}
                ledger = {"ledger": f"ledger-{cluster}"} if metric in LEDGER else {}
                rows.setdefault(metric, []).append(({**target, **ledger, **own}, values))
            for metric, own, value in recorded:
                values = np.full(len(times), value)
                rows.setdefault(metric, []).append(({**place, **own}, values))
        for metric, series in rows.items():
            named = [labels({METRIC_NAME: metric, **own}) for own, _ in series]
            values = np.array([row for _, row in series], dtype=np.float64)
            yield Samples.of((times * 1000).astype(np.int64), named, values, np.isfinite(values))


LEDGER = (
    names.SESSION_ENDS,
    names.SESSION_ENDS_BY_LABEL,
    names.SESSION_END_REPEATS,
    names.SESSION_ENDS_LATE,
    names.SESSION_INTERRUPTIONS,
)


def _codes() -> Iterator[tuple[Labels, str, int]]:
    for code, (outcome, count) in CODES.items():
        yield {"system": "alpha", "code": code}, outcome, count


def _exported(traffic: bool) -> Iterator[tuple[str, Labels, float]]:
    """Metric, labels and value of each scraped series; a counter's value is its rise in an hour."""
    for key, outcome, count in _codes():
        ends = count * traffic
        of_code = {**key, "outcome": outcome}
        words = {**WORDS, **of_code, "planned": "false"}
        yield names.SESSION_END_CODE_INFO, words, 1
        yield names.SESSION_END_CODE_HELP, {**key, "causes": "Why.", "fix": "Do. Then rest."}, 1
        shown = {**of_code, "phase": "stream", "category": WORDS["category"]}
        for region, part in (("ap", 0.75), ("eu", 0.25)):
            yield names.SESSION_ENDS, {**shown, "region": region}, ends * part
            if traffic:
                place = {"label": "region", "value": region}
                yield names.SESSION_ENDS_BY_LABEL, {**of_code, **place}, ends * part
        yield names.SESSION_END_REPEATS, of_code, ends
        yield names.SESSION_ENDS_LATE, shown, ends
        yield names.SESSION_INTERRUPTIONS, shown, ends
        for bound in ("10", "+Inf"):
            bucket = {"system": "alpha", "outcome": outcome, "le": bound}
            yield f"{names.SESSION_DURATION}_bucket", bucket, ends
    category = {"system": "alpha", "category": WORDS["category"], "title": "Network Errors (1–9)"}
    yield names.SESSION_END_CATEGORY_INFO, category, 1
    yield names.LINKS_INFO, {"runbooks": "http://runbooks.example", "dashboards": ""}, 1
    event = {"system": "alpha", "event": "build.approved"}
    yield names.PLATFORM_LAST_BUILD, event, time.time()
    for metric in (names.LIVE_USERS, names.QUEUED_USERS):
        yield metric, {"system": "alpha", "project": "p"}, 3
    any_label = {"reason": "r", "status": "200", "bound": "ids", "label": "region"}
    own = {"version": "1", "system": "alpha"} | any_label
    for metric in sorted(set().union(*(metrics(parsable(query.expr)) for query in QUERIES))):
        if metric.startswith("session_exporter_"):
            for bound in ("1", "+Inf") if metric.endswith("_bucket") else ("",):
                yield metric, own | ({"le": bound} if bound else {}), 60 * traffic + (not traffic)


def _recorded(traffic: bool) -> Iterator[tuple[str, Labels, float]]:
    for record in recording():
        keys = record.split(":")[0]
        for key, outcome, count in _codes():
            if record == names.RULE_CODE_INFO:
                yield record, {**WORDS, **key, "outcome": outcome, "planned": "false"}, 1
            elif record == names.RULE_CODE_HELP:
                yield record, {**key, "causes": "Why.", "fix": "Do. Then rest."}, 1
            elif keys == "system_code":
                yield record, key, _of_code(record, key["code"], count, traffic)
            elif keys == "system_outcome":
                yield record, {"system": "alpha", "outcome": outcome}, count * traffic
            elif keys == "instance_code":
                ids = {"instance": "exporter:1", "ledger": "ledger-"}
                yield record, {**ids, **key, "outcome": outcome}, count
        if record == names.RULE_OBJECTIVE:
            yield record, {"system": "alpha"}, OBJECTIVE
        elif keys == "system" and traffic:
            yield record, {"system": "alpha"}, 0.1
    if traffic:
        alert = {"alertname": "SessionEndSpike", "alertstate": "firing", "signal": "spike"}
        words = {"severity": "page", "system": "alpha", "code": "20", "name": "Name"}
        yield "ALERTS", {**alert, **words}, 1


def _of_code(record: str, code: str, count: int, traffic: bool) -> float:
    """A baseline exists even before the first end."""
    if re.match(re.escape(names.RULE_SHARE), record):
        return 0.01 if code == "20" else 0.9
    return 5 if record.startswith(names.RULE_THRESHOLD) else count * traffic
