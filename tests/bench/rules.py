"""Evaluation time of the shipped rules in a real Prometheus, by the number of label combinations.

Prometheus has a week of the records that the rules read.
"""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from deploy.demo.past import SUM_LABELS
from exporter import names
from exporter.taxonomy.loader import load
from tests.bench.table import Row
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess

GOAL: Final = 0.1
"""Seconds for one evaluation of all groups, for both systems."""
EVALUATIONS: Final = 8
"""Of each group; the figure is the sum of their medians."""


def evaluation(folder: Path, combinations: int) -> Row:
    """One evaluation of all groups over every code with that many values of a label."""
    folder = folder / f"rules-{combinations}"
    folder.mkdir()
    settings = {"labels": "region", "max_label_values": 100, "first_seen_zero_for": 0}
    with ExporterProcess(folder / "data", settings=settings) as exporter:
        events = [
            {"system": system.system, "code": code.code, "labels": {"region": f"region-{number}"}}
            for system in load().systems.values()
            for code in system.codes
            for number in range(combinations)
        ]
        for start in range(0, len(events), 1000):
            assert exporter.post(events[start : start + 1000]).status == 200
        target = f"127.0.0.1:{exporter.ports['ops']}"
        rules = list(_every_second(folder))
        prometheus = PrometheusProcess(folder / "prometheus", [target], rules=rules)
        _write_week(exporter, folder / "prometheus" / "data", target)
        with prometheus:
            known = "count(system_code:session_ends:threshold5m)"
            wait_for(lambda: prometheus.query(known), 60, "an evaluation of every group with data")
            groups = prometheus.get("rules")["groups"]
            times: dict[str, dict[str, float]] = {group["name"]: {} for group in groups}

            def evaluated() -> bool:
                for group in prometheus.get("rules")["groups"]:
                    seconds = float(group["evaluationTime"])
                    if seconds:
                        times[group["name"]][group["lastEvaluation"]] = seconds
                return all(len(group) >= EVALUATIONS for group in times.values())

            wait_for(evaluated, 60, f"{EVALUATIONS} evaluations of every group")
            # The first one reads a week's blocks for the first time.
            seconds = sum(median([*group.values()][1:]) for group in times.values())
            count = sum(len(group["rules"]) for group in groups)
            series = prometheus.query('count({__name__=~"session_.+"})')
    return Row(
        f"ms to evaluate all rules, {combinations} label combinations",
        f"{seconds * 1000:.1f}",
        f"{count} rules over {sum(series.values()):,.0f} series",
        f"< {GOAL * 1000:.0f}",
        seconds < GOAL,
    )


def _write_week(exporter: ExporterProcess, data: Path, instance: str) -> None:
    """Write to Prometheus' `data` a day of the sums that windows read, and a week of daily counts and shares,
    of an end of each code every half-minute."""
    per_series = {
        frozenset(pair for pair in labels if pair[0] in SUM_LABELS) | {("instance", instance)}
        for name, labels in exporter.metrics()
        if name == "session_ends_total"
    }
    per_code = {
        frozenset(pair for pair in labels if pair[0] in ("system", "code")) for labels in per_series
    }
    now = int(time.time()) // 600 * 600
    day, week = range(now - 86400, now, 30), range(now - 7 * 86400, now, 1800)
    lines = []
    for name, series, times in (
        (names.RULE_SUM, per_series, day),
        (names.RULE_SUM_SNAPSHOT, per_series, day[::4]),
        (f"{names.RULE_SHARE}6h_snapshot", per_code, week),
        (f"{names.RULE_COUNT}1d_snapshot", per_code, week),
    ):
        lines.append(f"# TYPE {name} gauge")
        for labels in series:
            inner = ",".join(f'{label}="{value}"' for label, value in sorted(labels))
            lines += [f"{name}{{{inner}}} {at // 30 - day[0] // 30} {at}" for at in times]
    text = data.with_suffix(".openmetrics")
    text.write_text("\n".join([*lines, "# EOF", ""]))
    create = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=24h")
    subprocess.run([*create, str(text), str(data)], check=True, capture_output=True)


def _every_second(folder: Path) -> Iterator[Path]:
    """The shipped rules with intervals of a second: an evaluation costs the same and comes sooner."""
    for path in sorted((ROOT / "rules").glob("*.yml")):
        copy = folder / path.name
        copy.write_text(re.sub(r"interval: \S+", "interval: 1s", path.read_text()))
        yield copy
