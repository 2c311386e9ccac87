"""The hours before the demo: posted to the exporter, and backfilled into Prometheus as if it had scraped.

A limit is a multiple of what is usual, so there has to be something usual before anything can be unusual.
"""

import http.client
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from exporter import names
from exporter.demo.compressed import SPEED
from exporter.errors import ConfigError
from exporter.simulate.history import History

EVERY: Final = 5
"""Seconds between two samples of the past: two in the shortest window of a spike."""
SUMMED: Final = (
    names.LEDGER,
    "instance",
    names.SYSTEM,
    names.CODE,
    names.OUTCOME,
)
"""Labels that the first recording rule keeps: it is backfilled too, because the others read it."""

Labels = Mapping[str, str]
Series = dict[tuple[str, str], tuple[Labels, int]]
"""By system and code: a series' labels and its value."""


def counted(ops: str) -> Series:
    """The ends that the exporter at this URL shows. Raises `OSError`."""
    try:
        with urllib.request.urlopen(f"{ops}{names.METRICS_PATH}", timeout=30) as response:  # noqa: S310
            text = response.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"{ops}: {error}") from None
    return {
        (sample.labels[names.SYSTEM], sample.labels[names.CODE]): (sample.labels, int(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == names.SESSION_ENDS
    }


def samples(
    histories: Sequence[History], series: Series, target: Labels, now: int
) -> Iterator[str]:
    """OpenMetrics lines of the histories, compressed so that they end at `now` (Unix seconds).

    `series` is what the exporter shows after all of the histories was posted: its labels are the
    samples' with those of `target`, and its values are where they end, so that the scrapes that follow
    go on with no seam. Raises `ValueError` when the exporter counted anything else.
    """
    kept = {
        key: {**labels, **target}
        for key, (labels, _) in series.items()
        if any(history.system == key[0] for history in histories)
    }
    rising = {key: _rising(histories, *key) for key in kept}
    for key, totals in rising.items():
        if totals[-1] != series[key][1]:
            raise ValueError(f"{key}: {totals[-1]} were posted, {series[key][1]} counted")
    for kind, metric, names_kept in (
        ("counter", names.SESSION_ENDS, None),
        ("gauge", names.RULE_SUM, SUMMED),
    ):
        yield f"# TYPE {metric.removesuffix('_total')} {kind}\n"
        for key, labels in kept.items():
            shown = {name: labels[name] for name in names_kept or labels}
            text = ",".join(f'{name}="{value}"' for name, value in sorted(shown.items()))
            last = len(rising[key]) - 1
            for step, total in enumerate(rising[key]):
                yield f"{metric}{{{text}}} {total} {now - (last - step) * EVERY}\n"
    yield "# EOF\n"


def backfill(text: Iterator[str], file: Path, database: Path) -> None:
    """Makes blocks of Prometheus' `database` of OpenMetrics lines, which are kept in `file`.

    Raises `ConfigError` without promtool, `ChildProcessError` when it refuses.
    """
    with file.open("w", encoding="utf-8") as out:
        out.writelines(text)
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(database)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        raise ConfigError("promtool is not on this machine; it comes with Prometheus") from None
    if done.returncode:
        raise ChildProcessError(f"promtool: {done.stderr.strip()}")


def _rising(histories: Sequence[History], system: str, code: str) -> list[int]:
    """A code's ends since the beginning, every `EVERY` compressed seconds, from 0."""
    (history,) = (one for one in histories if one.system == system)
    bins = round(EVERY * SPEED / history.step)
    column = history.ends[:, history.codes.index(code)]
    totals = np.concatenate(([0], np.cumsum(column)))
    # From the end: the last sample is of now, whatever is left over at the beginning.
    return [int(total) for total in totals[::-bins][::-1]]
