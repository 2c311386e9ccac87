"""The past of an exporter in Prometheus: without a past the rules have no expected count."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import names

JOB: Final = "session-end-exporter"
"""The job that the rules select."""
SUM_LABELS: Final = (names.LEDGER, "instance", names.SYSTEM, names.CODE, names.OUTCOME)
"""Labels of the first recording rule. Other rules read its result, so it needs samples too."""
RECORDED: Final = {
    names.SESSION_END_CODE_INFO: names.RULE_CODE_INFO,
    names.SESSION_END_CODE_HELP: names.RULE_CODE_HELP,
    names.SESSION_END_CATEGORY_INFO: "",
    names.SESSION_END_OBJECTIVE: "",
}
"""Metrics that dashboards join with counts, and their records: rules are not evaluated in the past."""
Counts = list[tuple[Mapping[str, str], int]]
"""Labels and value of each series of `session_ends_total`."""

InfoSeries = Sequence[tuple[str, Mapping[str, str], float]]
"""Metric, labels and value of each series that never changes."""


def _samples(ops: str) -> Iterator[Sample]:
    text = httpx.get(f"http://{ops}{names.METRICS_PATH}", timeout=30, trust_env=False).text
    for family in text_string_to_metric_families(text):
        yield from family.samples


def openmetrics(
    counts: Counts, steps: int, interval: int, now: int, info: InfoSeries = ()
) -> Iterator[str]:
    """Lines with the counts spread evenly over `steps` intervals of `interval` seconds until `now`.

    The last sample is the exporter's count, so that the first scrape continues the series without a jump.
    """
    for kind, metric, label_names in (
        ("counter", names.SESSION_ENDS, None),
        ("gauge", names.RULE_SUM, SUM_LABELS),
        ("gauge", names.RULE_SUM_SNAPSHOT, SUM_LABELS),
    ):
        yield f"# TYPE {metric.removesuffix('_total')} {kind}\n"
        for labels, count in counts:
            text = ",".join(f'{name}="{labels[name]}"' for name in label_names or labels)
            for step in range(steps + 1):
                at = now - (steps - step) * interval
                yield f"{metric}{{{text}}} {count * step // steps} {at}\n"
    for metric, of_metric in groupby(info, key=lambda row: row[0]):
        yield f"# TYPE {metric} gauge\n"
        for _, labels, value in of_metric:
            # JSON escapes what OpenMetrics escapes: backslash, quote and newline.
            text = ",".join(
                f"{name}={json.dumps(label, ensure_ascii=False)}" for name, label in labels.items()
            )
            for step in range(steps + 1):
                yield f"{metric}{{{text}}} {value} {now - (steps - step) * interval}\n"
    yield "# EOF\n"


def total(ops: str) -> int:
    """The number of session ends on /metrics of the listener `ops` (HOST:PORT)."""
    return sum(int(sample.value) for sample in _samples(ops) if sample.name == names.SESSION_ENDS)


def backfill(ops: str, steps: int, interval: int, database: Path) -> None:
    """Imports counts and info series of the listener `ops` into Prometheus' `database`, as past scrapes."""
    counts: Counts = []
    info: list[tuple[str, Mapping[str, str], float]] = []
    for sample in _samples(ops):
        scraped = {**sample.labels, "job": JOB, "instance": ops}
        if sample.name == names.SESSION_ENDS:
            counts.append((scraped, int(sample.value)))
        elif sample.name in RECORDED:
            info.append((sample.name, scraped, sample.value))
            if record := RECORDED[sample.name]:
                info.append((record, sample.labels, sample.value))
    info.sort(key=lambda row: row[0])
    file = database.with_suffix(".openmetrics")
    with file.open("w", encoding="utf-8") as out:
        out.writelines(openmetrics(counts, steps, interval, int(time.time()), info))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(database)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise ChildProcessError(f"promtool: {done.stderr.strip()}")
