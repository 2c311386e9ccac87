"""What an end-to-end test of the alerts needs before it begins: a past, and timings it can wait for."""

import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from exporter import names, rule_files
from exporter.demo.compressed import compressed
from tests.e2e.exporter_process import ROOT, ExporterProcess

JOB = "session-end-exporter"
HOURS = 3
STEP = 15
"""Seconds between two samples of the past, as deploy/prometheus/prometheus.yml scrapes."""
SPEED = 15
"""Shipped seconds in a second of the tests' rules: the greatest that leaves whole seconds of each time but
the interval of 30 s."""
SUMMED = ("ledger", "instance", "system", "code", "outcome")
"""Labels that the first recording rule keeps."""
Labels = frozenset[tuple[str, str]]


def backfill(exporter: ExporterProcess, data: Path) -> None:
    """Into Prometheus' `data`, as if it had scraped this exporter for three hours.

    What the exporter has counted so far is spread evenly over the time until now, under the labels of
    its series: the scrapes that follow go on where the past ends, with no seam in any window. With it
    come the sums that the first recording rule would have made of it: the other rules read these.
    """
    now = int(time.time())
    steps = HOURS * 3600 // STEP
    counted: dict[Labels, int] = {}
    sums: dict[Labels, int] = {}
    for (name, labels), value in exporter.metrics().items():
        if name == "session_ends_total":
            series = labels | _target(exporter)
            counted[series] = int(value)
            kept = frozenset(one for one in series if one[0] in SUMMED)
            sums[kept] = sums.get(kept, 0) + int(value)
    lines = []
    for kind, metric, totals in (
        ("counter", "session_ends_total", counted),
        ("gauge", names.RULE_SUM, sums),
        ("gauge", names.RULE_SUM_SNAPSHOT, sums),
    ):
        lines.append(f"# TYPE {metric.removesuffix('_total')} {kind}")
        for labels, total in totals.items():
            for step in range(steps + 1):
                at = now - (steps - step) * STEP
                lines.append(f"{metric}{_selector(labels)} {total * step // steps} {at}")
    text = data.with_suffix(".openmetrics")
    text.write_text("\n".join([*lines, "# EOF", ""]))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)],
        check=True,
        capture_output=True,
    )


def quick_rules(folder: Path) -> Path:
    """The shipped rules, `SPEED` times faster, in `folder`; a glob of its rule files.

    Every duration is shorter and nothing else changes: 5m are 20s, and an hour is four minutes.
    """
    folder.mkdir()
    for path in rule_files.folder().glob("*.yml"):
        text = compressed(path.read_text(), SPEED)
        # An evaluation a second, where 30s would be two; the long windows read many samples.
        text = text.replace("interval: 2s", "interval: 1s")
        (folder / path.name).write_text(text)
    return folder / "*.yml"


def prometheus_config(rules: Path, exporter: ExporterProcess, alertmanager: int) -> str:
    """deploy/prometheus/prometheus.yml with these addresses, this path and a scrape each second."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (_,) = config["rule_files"]
    config["rule_files"] = [str(rules)]
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == JOB
    scrape["static_configs"] = [{"targets": [dict(_target(exporter))["instance"]]}]
    (receiver,) = config["alerting"]["alertmanagers"]
    receiver["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    return yaml.safe_dump(config)


def _target(exporter: ExporterProcess) -> Labels:
    return frozenset({("job", JOB), ("instance", f"127.0.0.1:{exporter.ports['ops']}")})


def _selector(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in sorted(labels)) + "}"
