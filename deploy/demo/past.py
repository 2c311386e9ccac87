"""The past of an exporter in Prometheus: without a past the rules have no expected count."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from exporter import names

JOB: Final = "session-end-exporter"
"""The job that the rules select."""
SUM_LABELS: Final = (names.LEDGER, "instance", names.SYSTEM, names.CODE, names.OUTCOME)
"""Labels of the first recording rule. Other rules read its result, so it needs samples too."""
Counts = list[tuple[Mapping[str, str], int]]
"""Labels and value of each series of `session_ends_total`."""


def exported(ops: str) -> Counts:
    """The counts on /metrics of the listener `ops` (HOST:PORT), with the labels that Prometheus adds."""
    text = httpx.get(f"http://{ops}{names.METRICS_PATH}", timeout=30, trust_env=False).text
    return [
        ({**sample.labels, "job": JOB, "instance": ops}, int(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == names.SESSION_ENDS
    ]


def openmetrics(counts: Counts, steps: int, interval: int, now: int) -> Iterator[str]:
    """Lines with the counts spread evenly over `steps` intervals of `interval` seconds until `now`.

    The last sample is the exporter's count, so that the first scrape continues the series without a jump.
    """
    for kind, metric, kept in (
        ("counter", names.SESSION_ENDS, None),
        ("gauge", names.RULE_SUM, SUM_LABELS),
        ("gauge", names.RULE_SUM_SNAPSHOT, SUM_LABELS),
    ):
        yield f"# TYPE {metric.removesuffix('_total')} {kind}\n"
        for labels, count in counts:
            text = ",".join(f'{name}="{labels[name]}"' for name in kept or labels)
            for step in range(steps + 1):
                at = now - (steps - step) * interval
                yield f"{metric}{{{text}}} {count * step // steps} {at}\n"
    yield "# EOF\n"


def total(ops: str) -> int:
    return sum(count for _, count in exported(ops))


def backfill(ops: str, steps: int, interval: int, database: Path) -> None:
    """Imports the counts of the listener `ops` into Prometheus' `database`, as scrapes until now."""
    file = database.with_suffix(".openmetrics")
    with file.open("w", encoding="utf-8") as out:
        out.writelines(openmetrics(exported(ops), steps, interval, int(time.time())))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(database)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise ChildProcessError(f"promtool: {done.stderr.strip()}")
