"""promtool's test cases, evaluated by exporter.promql, which tests/promql holds equal to promtool.

A case of hours takes promtool ten seconds and this one tenth of a second. Annotations are not evaluated:
cases that expect an alert with its annotations need promtool.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, Labels, labels

if TYPE_CHECKING:
    from tests.rules.promtool import Case

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MISSING: Final = math.nan
STALE: Final = math.inf
"""An input has no infinite value."""


def differences(case: "Case", files: Sequence[Path], groups: Sequence[str], step: str) -> str:
    """What the rules did other than the case expects; empty when they agree."""
    loaded = {group.name: group for group in load(files)}
    ends = [test["eval_time"] for test in (*case.alerts, *case.queries)]
    last = max(map(seconds, ends))
    every = seconds(step)
    run = Run(
        [loaded[name] for name in groups],
        scraped(case),
        0.0,
        last,
        interval=every,
        keep=None,
    )
    found = [f"{failure.rule.name}: {failure.reason}" for failure in run.failures]
    for test in case.alerts:
        assert not test["exp_alerts"], "annotations need promtool"
        text = f'ALERTS{{alertname="{test["alertname"]}", alertstate="firing"}}'
        if firing := at(run, text, test["eval_time"]):
            found.append(f"{test['eval_time']}: {test['alertname']} fires: {firing}")
    for test in case.queries:
        expected = {named(sample["labels"]): sample["value"] for sample in test["exp_samples"]}
        values = at(run, test["expr"], test["eval_time"])
        if values.keys() != expected.keys() or not all(
            math.isclose(values[key], value, rel_tol=1e-9) for key, value in expected.items()
        ):
            found.append(f"{test['eval_time']}: {test['expr']}: {values}, expected {expected}")
    return "\n".join(found)


def at(run: Run, text: str, time: str) -> dict[Labels, float]:
    vector = run.query(text, [seconds(time)])
    return {
        row: float(vector.values[place, 0])
        for place, row in enumerate(vector.labels)
        if vector.present[place, 0]
    }


def scraped(case: "Case") -> list[Samples]:
    """The case's input series, the exporter's words among them."""
    every = seconds(case.interval)
    found = []
    for row in case.document()["input_series"]:
        values = np.array(expanded(row["values"]))
        times = np.arange(len(values), dtype=np.int64) * every * 1000
        stale = np.isposinf(values)
        present = ~(np.isnan(values) | stale)
        found.append(
            Samples(times, (named(row["series"]),), values[None], present[None], stale[None])
        )
    return found


def named(text: str) -> Labels:
    """A series as promtool's files have it, such as `up{job="a"}` or `{}`."""
    name, _, inner = text.partition("{")
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inner)
    unescaped = {
        key: re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), value)
        for key, value in pairs
    }
    return labels({METRIC_NAME: name, **unescaped} if name else unescaped)


def expanded(values: str) -> list[float]:
    """promtool's shorthand written out: `1+2x3` is 1 3 5 7, `_x2` two missing samples."""
    found: list[float] = []
    for item in values.split():
        if item == "stale":
            found.append(STALE)
        elif missing := re.fullmatch(r"_(?:x(\d+))?", item):
            found += [MISSING] * int(missing[1] or 1)
        else:
            match = re.fullmatch(r"([\d.e-]+?)(?:([+-][\d.e]+))?(?:x(\d+))?", item)
            assert match, item
            first, change = float(match[1]), float(match[2] or 0)
            found += [first + change * number for number in range(int(match[3] or 0) + 1)]
    return found


def seconds(duration: str) -> int:
    """A duration such as `1h30m`."""
    return sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", duration))
