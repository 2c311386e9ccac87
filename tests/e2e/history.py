"""What an end-to-end test of the alerts needs before it begins: a past, and timings it can wait for."""

import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from exporter import names
from exporter.policy import loader as policy
from exporter.render import generate
from exporter.render.pack import DASHBOARD_BASE_URL, RUNBOOK_BASE_URL
from exporter.taxonomy import loader as taxonomy
from tests.e2e.exporter_process import ROOT, ExporterProcess

JOB = "session-end-exporter"
HOURS = 3
STEP = 15
"""Seconds between two samples of the past, as deploy/prometheus/prometheus.yml scrapes."""
SUMMED = ("ledger", "instance", "system", "code", "category", "outcome")
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
    """The pack of the shipped policy with shorter times, in `folder`; a glob of its rule files.

    Replaced are the groups' intervals, `for`, `keep_firing_for`, the windows of a spike by a twentieth of
    them, the burst that they are judged without (90s), and the shortest of `stopped` (2m), also where it
    confirms. Factors, floors, the baseline and the longer windows are the shipped ones, and so is every
    expression's form: it comes from the builders.

    All windows of a spike, since of 15m beside 15s a single end is a part: an outage that was over paged
    again for the first usual end of its code.
    """
    document = yaml.safe_load((ROOT / "exporter/policy.yaml").read_text())
    document["intervals"] |= {"baseline": "2s", "windows": "1s", "budget": "5s", "long": "5s"}
    document["intervals"] |= {"pipeline": "1s"}
    limit, spike, stopped = (document[section] for section in ("limit", "spike", "stopped"))
    quick = {"5m": "15s", "15m": "45s", "1h": "3m"}
    for one in limit["windows"]:
        one["window"] = quick[one["window"]]
    for one in (document["overrun"], document["new"]):
        one["window"] = quick[one["window"]]
    for one in (spike, document["elevated"]["windows"][0]):
        one["confirm_window"] = quick[one["confirm_window"]]
    spike |= {"burst": "5s", "for": "2s", "keep_firing_for": "5s"}
    shortest = stopped["windows"][0]["window"]
    for one in stopped["windows"]:
        one |= {key: "30s" for key in ("window", "confirm") if one[key] == shortest}
    stopped |= {"for": "1s", "keep_firing_for": "5s"}
    document["pipeline"] |= {"keep_firing_for": "5s"}
    document["pipeline"]["down"]["for"] = "5s"
    folder.mkdir()
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    generate.render(
        taxonomy.load(), policy.load(path), folder, RUNBOOK_BASE_URL, DASHBOARD_BASE_URL
    )
    return folder / "rules" / "*.yml"


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
