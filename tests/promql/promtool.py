"""The series of `promtool test rules` at many instants, and the differences from a `Run`."""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from exporter.promql.evaluate import Evaluation, parse_supported
from exporter.promql.rulefile import Group
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Vector, vector
from tests.programs import finished
from tests.rules.series import parsed, series

Values = dict[Hashable, float]
Series = dict[int, Values]
"""Values by instant in seconds, and by labels."""
_SAMPLE = re.compile(r'(\{(?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*\}) ([-+\w.]+)')


def at_interval(groups: Sequence[Group], seconds: float) -> list[Group]:
    return [replace(group, interval=round(1000 * seconds)) for group in groups]


def query(run: Run, text: str, at: Iterable[float]) -> Vector:
    """An expression at some instants (Unix seconds, ascending), over scraped and kept series."""
    times = np.array([round(instant * 1000) for instant in at], np.int64)
    return vector(Evaluation(run.store, times).value(parse_supported(text)))


def evaluated(
    folder: Path,
    files: Sequence[Path],
    groups: Sequence[str],
    scraped: Sequence[Samples],
    step: int,
) -> Series:
    """`groups` are in the order of evaluation; all samples are at multiples of `step` seconds from 0 on.

    The test case expects no series at all, so promtool's errors contain all series.
    """
    last = max(int(samples.times[-1]) for samples in scraped) // 1000
    instants = range(0, last + 1, step)
    document = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": f"{step}s",
        "group_eval_order": list(groups),
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [row for samples in scraped for row in _inputs(samples, step)],
                "promql_expr_test": [
                    {"expr": '{__name__=~".+"}', "eval_time": f"{at}s", "exp_samples": []}
                    for at in instants
                ],
            }
        ],
    }
    path = folder / "case.yml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, width=1_000_000))
    done = finished("promtool", "test", "rules", path)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "got:" in line]
    return {
        at: {frozenset(parsed(row)): float(value) for row, value in _SAMPLE.findall(line)}
        for at, line in zip(instants, lines, strict=True)
    }


def _inputs(samples: Samples, step: int) -> list[dict[str, Any]]:
    rows = []
    columns = (samples.times // (1000 * step)).tolist()
    for row, labels in enumerate(samples.labels):
        pairs = dict(labels)
        texts = ["_"] * (columns[-1] + 1)
        for column, value, present in zip(
            columns, samples.values[row], samples.present[row], strict=True
        ):
            texts[column] = f"{value:.17g}" if present else "stale"
        rows.append({"series": series(pairs.pop(METRIC_NAME), pairs), "values": " ".join(texts)})
    return rows


def differences(run: Run, theirs: Series) -> list[str]:
    """Differences at all instants of `theirs`, for all series including scraped series."""
    ours = query(run, '{__name__=~".+"}', theirs)
    lines = []
    for column, (at, expected) in enumerate(theirs.items()):
        rows = np.flatnonzero(ours.present[:, column]).tolist()
        here = {frozenset(ours.labels[row]): float(ours.values[row, column]) for row in rows}
        assert len(here) == len(rows)
        lines += unequal(f"{at} s", here, expected)
    return lines


def unequal(place: str, ours: Values, theirs: Values) -> list[str]:
    """A line per series that only one of them has, or whose values differ by more than rounding."""
    return [
        f"{place}: {key}: here {ours.get(key)}, expected {theirs.get(key)}"
        for key in ours.keys() | theirs.keys()
        if not (
            key in ours
            and key in theirs
            and np.isclose(ours[key], theirs[key], rtol=1e-9, atol=1e-9, equal_nan=True)
        )
    ]
