"""The series of `promtool test rules` at many instants, and the differences from a `Run`."""

import json
import math
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME

Series = dict[int, dict[frozenset[tuple[str, str]], float]]
"""Values by instant in seconds, and by labels."""
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_SAMPLE = re.compile(r'\{((?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*)\} ([-+\w.]+)')


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
    instants = range(0, step * len(scraped[0].times), step)
    document = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": f"{step}s",
        "group_eval_order": list(groups),
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [series for samples in scraped for series in _inputs(samples)],
                "promql_expr_test": [
                    {"expr": '{__name__=~".+"}', "eval_time": f"{at}s", "exp_samples": []}
                    for at in instants
                ],
            }
        ],
    }
    path = folder / "case.yml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, width=1_000_000))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "got:" in line]
    return {
        at: {
            frozenset((key, json.loads(text)) for key, text in _PAIR.findall(inner)): float(value)
            for inner, value in _SAMPLE.findall(line)
        }
        for at, line in zip(instants, lines, strict=True)
    }


def _inputs(samples: Samples) -> list[dict[str, Any]]:
    rows = []
    for row, labels in enumerate(samples.labels):
        pairs = dict(labels)
        name = pairs.pop(METRIC_NAME)
        inner = ", ".join(f'{key}="{value}"' for key, value in pairs.items())
        texts = np.where(samples.stale[row], "stale", "_").tolist()
        for column in np.flatnonzero(samples.present[row]).tolist():
            texts[column] = f"{samples.values[row, column]:.17g}"
        rows.append({"series": f"{name}{{{inner}}}", "values": " ".join(texts)})
    return rows


def differences(run: Run, theirs: Series) -> list[str]:
    """Differences at all instants of `theirs`, for all series including scraped series."""
    ours = run.query('{__name__=~".+"}', theirs)
    rows = {frozenset(labels): row for row, labels in enumerate(ours.labels)}
    assert len(rows) == len(ours.labels)
    lines = []
    for column, (at, series) in enumerate(theirs.items()):
        here = {key for key, row in rows.items() if ours.present[row, column]}
        lines += [f"{at} s: only here: {dict(key)}" for key in here - series.keys()]
        lines += [f"{at} s: only in promtool: {dict(key)}" for key in series.keys() - here]
        for key in here & series.keys():
            value, other = float(ours.values[rows[key], column]), series[key]
            if not same(value, other):
                lines.append(f"{at} s: {dict(key)}: {value}, in promtool {other}")
    return lines


def same(value: float, other: float) -> bool:
    """Equal except for rounding; NaN equals NaN."""
    both_nan = math.isnan(value) and math.isnan(other)
    return both_nan or math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)
