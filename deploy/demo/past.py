"""The past of an exporter in Prometheus: without a past the rules have no expected count."""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
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
_SUMS: Final = (names.RULE_SUM, names.RULE_SUM_SNAPSHOT)
Series = tuple[str, Mapping[str, str], float]
"""Metric, labels and last value."""


def _samples(ops: str) -> Iterator[Sample]:
    text = httpx.get(f"http://{ops}{names.METRICS_PATH}", timeout=30, trust_env=False).text
    for family in text_string_to_metric_families(text):
        yield from family.samples


def stored(samples: Iterable[Sample], instance: str) -> Iterator[Series]:
    """Series of counts and texts that Prometheus stores for a scrape of `instance`, and their records."""
    for sample in samples:
        labels = {**sample.labels, "job": JOB, "instance": instance}
        if sample.name == names.SESSION_ENDS:
            yield sample.name, labels, sample.value
            for record in _SUMS:
                yield record, {name: labels[name] for name in SUM_LABELS}, sample.value
        elif sample.name in RECORDED:
            yield sample.name, labels, sample.value
            if record := RECORDED[sample.name]:
                yield record, sample.labels, sample.value


def openmetrics(series: Iterable[Series], steps: int, interval: int, now: int) -> Iterator[str]:
    """Lines with a sample at each of `steps` intervals of `interval` seconds until `now`.

    Counts rise evenly to the exporter's count, so that the first scrape continues the series without a jump.
    """
    for metric, of_metric in groupby(sorted(series, key=itemgetter(0)), key=itemgetter(0)):
        kind = "counter" if metric == names.SESSION_ENDS else "gauge"
        yield f"# TYPE {metric.removesuffix('_total')} {kind}\n"
        for _, labels, value in of_metric:
            # JSON escapes what OpenMetrics escapes: backslash, quote and newline.
            text = ",".join(
                f"{name}={json.dumps(label, ensure_ascii=False)}" for name, label in labels.items()
            )
            for step in range(steps + 1):
                rises = metric in (names.SESSION_ENDS, *_SUMS)
                shown = value * step // steps if rises else value
                yield f"{metric}{{{text}}} {shown} {now - (steps - step) * interval}\n"
    yield "# EOF\n"


def total(ops: str) -> int:
    """The number of session ends on /metrics of the listener `ops` (HOST:PORT)."""
    return sum(int(sample.value) for sample in _samples(ops) if sample.name == names.SESSION_ENDS)


def backfill(ops: str, steps: int, interval: int, database: Path) -> None:
    """Imports the series of the listener `ops` into Prometheus' `database`, as past scrapes."""
    series = stored(_samples(ops), ops)
    file = database.with_suffix(".openmetrics")
    with file.open("w", encoding="utf-8") as out:
        out.writelines(openmetrics(series, steps, interval, int(time.time())))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(database)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise ChildProcessError(f"promtool: {done.stderr.strip()}")
