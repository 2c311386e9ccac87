"""Rules that read themselves, fail, or lose their series, evaluated here and by promtool."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.selector import Settings
from exporter.promql.value import METRIC_NAME, labels
from tests.promql.compared import compared
from tests.promql.dumped import dump

STEP, ROWS = 30, 160
GROUPS = {
    "lost": {
        "level": "x",
        "seen": "timestamp(x)",
        "recent": "count_over_time(x[2m])",
        "alive": "absent(x{i='1'})",
        "rise": "increase(total[3m])",
        "late": "x offset 2m or y",
        "early": "x offset -1m",
        "fixed": "x @ 1200",
    },
    "itself": {
        "smooth": "0.5 * smooth + on (i) group_left (j) 0.5 * level or level * 1",
        "held": "x > 8 or (held and x > 3)",
        "highest": "x > highest or x unless highest or highest",
        "steps": "count_over_time(steps[2m:30s]) or vector(0)",
        "loud": "sum by (i) (fed > 1000) or sum by (i) (x)",
    },
    "circle": {"forth": "x + on (i, j) back or x", "back": "forth * 0.1"},
    "ahead": {"ahead": "max_over_time(behind[90s:30s])", "aside": "x - behind"},
    "behind": {"behind": "x", "fed": "loud + 1"},
}
"""Groups of recording rules, in the order of evaluation."""
ALERTS = [
    {"alert": "Brief", "expr": "x > 6"},
    {"alert": "Waits", "expr": "x > 4", "for": "1m"},
    {
        "alert": "Lasts",
        "expr": "x > 5",
        "for": "30s",
        "keep_firing_for": "2m",
        "labels": {"severity": "page", "about": "{{ $labels.i }} of {{$labels.j}}", "j": "all"},
    },
    {
        "alert": "Holds",
        "expr": 'x > 8 or x > 3 and on (i) ALERTS{alertname="Holds", alertstate="firing"}',
        "for": "30s",
        "keep_firing_for": "1m",
    },
    {"alert": "Joins", "expr": "x * on (j) group_left () y > 20", "keep_firing_for": "1m"},
    {"alert": "Old", "expr": 'time() - ALERTS_FOR_STATE{alertname="Waits"} > 240'},
]


def scraped(seed: int) -> list[Samples]:
    """Series that come and go, with stale markers and without."""
    random = np.random.default_rng(seed)
    times = np.arange(ROWS, dtype=np.int64) * STEP * 1000

    def made(metric: str, pairs: list[dict[str, str]], values: np.ndarray) -> Samples:
        present = random.random(values.shape) < 0.97
        for row in present:
            for begin in random.integers(0, ROWS, 4):
                row[begin : begin + random.integers(1, 20)] = False
        names = [labels({METRIC_NAME: metric, **pair}) for pair in pairs]
        found = Samples.of(times, names, values, present)
        return replace(found, stale=found.stale & (random.random(values.shape) < 0.5))

    pairs = [{"i": "1", "j": "a"}, {"i": "2", "j": "a"}, {"i": "3", "j": "b"}]
    levels = np.abs(np.cumsum(random.integers(-2, 3, (3, ROWS)), axis=1)) % 12 + 0.0
    totals = np.cumsum(random.integers(0, 5, (3, ROWS)), axis=1) + 0.0
    totals[1, 70:] -= totals[1, 70]
    others = made("y", [{"j": "a"}, {"j": "b"}], random.integers(1, 5, (2, ROWS)) + 0.0)
    return [made("x", pairs, levels), made("total", pairs, totals), others]


def rule_file(folder: Path) -> Path:
    groups = [
        {"name": name, "rules": [{"record": record, "expr": expr} for record, expr in rules.items()]}
        for name, rules in GROUPS.items()
    ]
    path = folder / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [*groups, {"name": "alerts", "rules": ALERTS}]}))
    return path


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_writes_what_promtool_writes(tmp_path: Path, seed: int) -> None:
    path, series = rule_file(tmp_path), scraped(seed)
    groups = load([path])
    settings = Settings(subquery_step=STEP * 1000)
    run = Run(groups, series, 0, (ROWS - 1) * STEP, interval=STEP, keep=None, settings=settings)
    theirs = dump(tmp_path, [path], [*GROUPS, "alerts"], series, STEP)
    assert len(theirs) == ROWS
    assert compared(run, theirs)[:5] == []
    assert not run.failures
    assert {firing.rule.name for firing in run.firings} == {alert["alert"] for alert in ALERTS}
