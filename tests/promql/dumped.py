"""Every series that `promtool test rules` has at every instant, by asking for none of them."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME

Dump = dict[int, dict[frozenset[tuple[str, str]], float]]
"""Values by instant in seconds, and by labels."""
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SAMPLE = re.compile(r'\{((?:\w+="(?:[^"\\]|\\.)*"(?:, )?)*)\} ([-+\w.]+)')


def dump(
    folder: Path,
    files: Sequence[Path],
    groups: Sequence[str],
    scraped: Sequence[Samples],
    step: int,
) -> Dump:
    """`groups` is the order of evaluation; all samples are at multiples of `step`, seconds, from 0 on."""
    count = len(scraped[0].times)
    document = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": f"{step}s",
        "group_eval_order": list(groups),
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [series for samples in scraped for series in _inputs(samples)],
                "promql_expr_test": [
                    {"expr": '{__name__=~".+"}', "eval_time": f"{place * step}s", "exp_samples": []}
                    for place in range(count)
                ],
            }
        ],
    }
    path = folder / "dump.yml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, width=1_000_000))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    return _read(done.stdout + done.stderr)


def _inputs(samples: Samples) -> list[dict[str, Any]]:
    rows = []
    for row, labels in enumerate(samples.labels):
        pairs = dict(labels)
        name = pairs.pop(METRIC_NAME)
        inner = ", ".join(f'{key}="{value}"' for key, value in pairs.items())
        texts = np.where(samples.stale[row], "stale", "_").tolist()
        for place in np.flatnonzero(samples.present[row]).tolist():
            texts[place] = f"{samples.values[row, place]:.17g}"
        rows.append({"series": f"{name}{{{inner}}}", "values": " ".join(texts)})
    return rows


def _read(text: str) -> Dump:
    values: Dump = {}
    at = None
    for line in text.splitlines():
        if match := re.search(r"expr: .*, time: (\w+),", line):
            at = _seconds(match[1])
            values[at] = {}
        elif at is not None and line.strip().startswith("got:"):
            for inner, value in _SAMPLE.findall(line):
                pairs = {key: json.loads(f'"{quoted}"') for key, quoted in _PAIR.findall(inner)}
                values[at][frozenset(pairs.items())] = float(value)
    return values


def _seconds(text: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))
