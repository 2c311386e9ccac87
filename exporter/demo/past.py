"""The hours before the demo, backfilled into Prometheus: without a past there is no expected count."""

import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from exporter import names
from exporter.demo.compressed import SPEED
from exporter.simulate.history import History

INTERVAL: Final = 5
"""Seconds between samples: two in the shortest window of a spike."""
_SUM_LABELS: Final = (names.LEDGER, "instance", names.SYSTEM, names.CODE, names.OUTCOME)
"""Labels of the first recording rule, which other rules read, so it needs samples too."""
Series = dict[tuple[str, str], Mapping[str, str]]
"""Labels of each series by system and code."""


def counted(ops: str, total: int) -> Series | None:
    """The series on /metrics once their values sum up to at least `total`, else None."""
    with urllib.request.urlopen(f"http://{ops}{names.METRICS_PATH}", timeout=30) as response:
        text = response.read().decode()
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == names.SESSION_ENDS
    ]
    if sum(sample.value for sample in samples) < total:
        return None
    return {(each.labels[names.SYSTEM], each.labels[names.CODE]): each.labels for each in samples}


def openmetrics(
    histories: Sequence[History], series: Series, target: Mapping[str, str], now: int
) -> Iterator[str]:
    """Lines with the compressed histories, ending at `now` (Unix seconds) with the exporter's own totals.

    `target` has the labels that Prometheus adds. The first scrapes continue these series without a gap.
    """
    for kind, metric, kept in (
        ("counter", names.SESSION_ENDS, None),
        ("gauge", names.RULE_SUM, _SUM_LABELS),
        ("gauge", names.RULE_SUM_SNAPSHOT, _SUM_LABELS),
    ):
        yield f"# TYPE {metric.removesuffix('_total')} {kind}\n"
        for history in histories:
            bins = round(INTERVAL * SPEED / history.step)
            totals = np.concatenate(([[0] * len(history.codes)], np.cumsum(history.ends, axis=0)))
            # From the end: the last sample is at `now`, and a remainder is left out at the start.
            sampled = totals[::-bins][::-1].T.tolist()
            for code, values in zip(history.codes, sampled, strict=True):
                labels = {**series[history.system, code], **target}
                text = ",".join(f'{name}="{labels[name]}"' for name in kept or labels)
                for age, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
                    yield f"{metric}{{{text}}} {value} {now - age * INTERVAL}\n"
    yield "# EOF\n"


def backfill(lines: Iterator[str], file: Path, database: Path) -> None:
    """Imports OpenMetrics lines, through `file`, into Prometheus' `database`."""
    with file.open("w", encoding="utf-8") as out:
        out.writelines(lines)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(database)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise ChildProcessError(f"promtool: {done.stderr.strip()}")
