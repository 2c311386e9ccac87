"""Two hours of counters, gauges and info series: for Prometheus, and as arrays."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Flags, Floats, Labels, Times, labels
from tests.programs import output

START = 1_767_578_400
"""2026-01-05T02:00:00Z, a Monday."""
STEP = 30
COUNT = 240
SYSTEMS = ("alpha", "beta")
CODES = ("10", "20", "30", "40")


def without_gaps(
    times: Times, names: Sequence[Labels], values: Floats, present: Flags, known: Flags
) -> Iterator[Samples]:
    """Each series at its known times: a sample, or a stale marker where none is present."""
    for row, at in enumerate(known):
        yield Samples(
            times[at], (names[row],), values[row : row + 1, at], present[row : row + 1, at]
        )


def history(seed: int = 7) -> list[Samples]:
    """Values are multiples of an eighth, so that sums are the same in any order."""
    random = np.random.default_rng(seed)
    times = np.arange(COUNT) * STEP * 1000 + START * 1000
    series: list[Samples] = []

    def add(metric: str, rows: list[dict[str, str]], values: Floats, missing: float = 0.0) -> None:
        present = random.random(values.shape) >= missing
        for row in range(len(rows)):
            # Gaps: longer than the lookback, shorter than the lookback, and of the whole target.
            begin, middle = random.integers(10, COUNT - 30, 2)
            present[row, begin : begin + random.integers(2, 18)] = False
            present[row, middle : middle + random.integers(1, 4)] = False
        jitter = random.integers(-400, 400, COUNT)
        names = tuple(labels(row | {METRIC_NAME: metric}) for row in rows)
        # A stale marker would end the lookback, which the gaps are there to test.
        series.extend(without_gaps(times + jitter, names, values, present, present))

    pairs = [{"system": system, "code": code} for system in SYSTEMS for code in CODES]
    targets = [pair | {"instance": instance} for pair in pairs for instance in ("a:1", "b:1")]
    rates = random.choice([0.0, 0.2, 3.0, 40.0], (len(targets), 1))
    steps = random.poisson(rates, (len(targets), COUNT))
    totals = np.cumsum(steps, axis=1).astype(np.float64)
    for row in range(0, len(targets), 2):
        # A restart, and a second one soon after.
        first = int(random.integers(20, COUNT - 20))
        for reset in (first, first + 5):
            totals[row, reset:] -= totals[row, reset] - random.integers(0, 3)
    add("ends_total", targets, totals, 0.02)
    gauges = np.cumsum(random.integers(-16, 17, (len(pairs), COUNT)), axis=1) / 8.0
    gauges[1, 40:60] = math.nan
    gauges[2, 50:55] = 0.0
    add("queue", pairs, gauges, 0.05)
    add("limit", pairs[:5], np.round(random.normal(4, 6, (5, COUNT)) * 8) / 8)
    words = [pair | {"severity": "page" if pair["code"] < "25" else "ticket"} for pair in pairs]
    add("code_info", words, np.ones((len(words), COUNT)))
    flags = [{"system": system} for system in SYSTEMS]
    add("up", flags, (random.random((2, COUNT)) > 0.1).astype(np.float64))
    add("noise", pairs, random.random((len(pairs), COUNT)), 0.1)
    return series


def write_blocks(series: list[Samples], data: Path) -> None:
    """Writes the samples to the storage of Prometheus in the folder `data`."""
    lines = []
    for samples in series:
        for row, pairs in enumerate(samples.labels):
            named = dict(pairs)
            metric = named.pop(METRIC_NAME)
            inner = ",".join(f'{name}="{value}"' for name, value in named.items())
            for place in np.flatnonzero(samples.present[row]).tolist():
                value = samples.values[row, place]
                text = "NaN" if math.isnan(value) else repr(float(value))
                lines.append(f"{metric}{{{inner}}} {text} {samples.times[place] / 1000:.3f}")
    path = data.with_suffix(".openmetrics")
    path.write_text("\n".join([*lines, "# EOF", ""]))
    output("promtool", "tsdb", "create-blocks-from", "openmetrics", path, data)
