"""Rules that read their own results, fail or lose their series, evaluated here and by promtool."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from exporter.errors import ConfigError
from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME, labels
from tests.promql.history import without_gaps
from tests.promql.promtool import at_interval, differences, evaluated, query
from tests.promql.test_rulefile import written

STEP, ROWS = 30, 160
RULES = """
groups:
- name: lost
  rules:
  - {record: level, expr: x}
  - {record: recent, expr: "count_over_time(x[2m])"}
  - {record: alive, expr: "absent(x{i='1'})"}
  - {record: rise, expr: "increase(total[3m])"}
  - {record: late, expr: x offset 2m or y}
  - {record: earlier, expr: latched * 2}
  - {record: unlike, expr: 'x{i!~"\\\\d"}'}
- name: itself
  rules:
  - {record: smooth, expr: (1 / 2) * smooth + on (i) group_left (j) 0.5 * level or level * 1}
  - {record: latched, expr: x > 8 or (latched and x > 3)}
  - {record: highest, expr: x > highest or x unless highest or highest}
  - {record: steps, expr: "count_over_time(steps[9m]) or vector(0)"}
  - {record: middle, expr: "quantile_over_time(0.5, middle[8m] offset 8m) + x or x"}
  - {record: delayed, expr: x or delayed offset 10m}
- name: before
  rules:
  - {record: ahead, expr: "max_over_time(behind[90s])"}
  - {record: aside, expr: x - behind}
  - {record: past, expr: "x - behind offset 1m or max_over_time(behind[2m] offset 90s)"}
- name: after
  rules:
  - {record: behind, expr: x}
- name: alerts
  rules:
  - {alert: Brief, expr: x > 6}
  - {alert: Waits, expr: x > 4, for: 1m}
  - {alert: Lasts, expr: x > 5, for: 30s, keep_firing_for: 2m, labels: {severity: page, j: all}}
  - {alert: Joins, expr: x * on (j) group_left () y > 20, keep_firing_for: 1m}
  - alert: Holds
    expr: x > 8 or x > 3 and on (i) ALERTS{alertname="Holds", alertstate="firing"}
    keep_firing_for: 4m
  - alert: HoldsWhenReady
    expr: x > 7 or x > 2 and on (i) ALERTS{alertname="HoldsWhenReady"}
    for: 1m
  - {alert: Quiet, expr: "x > 2 unless on (i) ALERTS{severity='page'}", labels: {severity: 'no'}}
  - {alert: Quieter, expr: "x > 1 unless on (i) ALERTS{severity='page'}", labels: {severity: 'no'}}
  - {alert: Old, expr: 'time() - ALERTS_FOR_STATE{alertname="Waits"} > 240'}
"""
"""Groups in the order of evaluation."""


def scraped(seed: int) -> list[Samples]:
    """Series that appear and disappear, with and without stale markers."""
    random = np.random.default_rng(seed)
    times = np.arange(ROWS, dtype=np.int64) * STEP * 1000

    def samples(metric: str, pairs: list[dict[str, str]], values: np.ndarray) -> Iterator[Samples]:
        present = random.random(values.shape) < 0.97
        for row in present:
            for begin in random.integers(0, ROWS, 4):
                row[begin : begin + random.integers(1, 20)] = False
        names = [labels({METRIC_NAME: metric, **pair}) for pair in pairs]
        known = present | (random.random(values.shape) < 0.5)
        return without_gaps(times, names, values, present, known)

    pairs = [{"i": "1", "j": "a"}, {"i": "2", "j": "a"}, {"i": "٣", "j": "b"}]
    levels = np.abs(np.cumsum(random.integers(-2, 3, (3, ROWS)), axis=1)) % 12 + 0.0
    totals = np.cumsum(random.integers(0, 5, (3, ROWS)), axis=1) + 0.0
    totals[1, 70:] -= totals[1, 70]
    others = samples("y", [{"j": "a"}, {"j": "b"}], random.integers(1, 5, (2, ROWS)) + 0.0)
    return [*samples("x", pairs, levels), *samples("total", pairs, totals), *others]


def test_run_writes_the_samples_of_promtool(tmp_path: Path) -> None:
    """Fails without staleness, lookback, resets, extrapolation, offset, `for` or `keep_firing_for`."""
    path, series = tmp_path / "rules.yml", scraped(1)
    path.write_text(RULES)
    groups = load([path])
    run = Run(at_interval(groups, STEP), series, 0, (ROWS - 1) * STEP, keep=True)
    theirs = evaluated(tmp_path, [path], [group.name for group in groups], series, STEP)
    assert differences(run, theirs)[:5] == []
    alerts = {rule.name for rule in groups[-1].rules}
    assert {firing.rule.name for firing in run.firings} == alerts


def series(metric: str, values: list[float], **pairs: str) -> Samples:
    """A scrape per minute from 0 on; NaN is a stale marker."""
    numbers = np.array([values])
    times = np.arange(len(values), dtype=np.int64) * 60_000
    return Samples(times, (labels({METRIC_NAME: metric, **pairs}),), numbers, ~np.isnan(numbers))


def run_rules(folder: Path, rules: list[dict[str, str]], *scraped: Samples) -> Run:
    last = (len(scraped[0].times) - 1) * 60
    return Run(load([written(folder, *rules)]), scraped, 0, last, keep=True)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"record": "r", "expr": "x * on (j) y"}, "found duplicate series for the match group on"),
        ({"record": "r", "expr": "y * on (j) x"}, "multiple matches for labels: many-to-one"),
        (
            {"alert": "r", "expr": '{__name__=~"x|y"}'},
            "vector contains metrics with the same labels",
        ),
        (
            {"record": "r", "expr": "r or x * on (j) y"},
            "found duplicate series for the match group",
        ),
    ],
)
def test_rule_whose_evaluation_fails_is_an_error(
    tmp_path: Path, rule: dict[str, str], reason: str
) -> None:
    """Prometheus would write nothing. promtool refuses such rules, too."""
    inputs = (
        series("x", [1] * 3, j="a"),
        series("y", [1] * 3, j="a"),
        series("y", [1], j="a", k="2"),
    )
    with pytest.raises(ConfigError, match=f"group 'g', rule 'r': the evaluation fails: {reason}"):
        run_rules(tmp_path, [rule], *inputs)


def test_rule_that_reads_its_own_results_fails_only_for_real_results(tmp_path: Path) -> None:
    """Results of a long span are assumed first, and were joined although one of them had ended."""
    rule = {"record": "r", "expr": "x unless on (j) y or y * on (j) r"}
    none = [math.nan] * 20
    inputs = (
        series("x", [1] * 40, i="1", j="a"),
        series("x", [1] * 20 + none, i="2", j="a"),
        series("y", [*none, math.nan] + [2] * 19, j="a"),
    )
    run = run_rules(tmp_path, [rule], *inputs)
    assert query(run, "r", [1200, 1260, 1320]).values.max(axis=0).tolist() == [1, 2, 4]
    with pytest.raises(ConfigError, match="found duplicate series"):
        run_rules(tmp_path, [rule], *inputs[:2], series("y", none + [2] * 20, j="a"))


def test_subquery_without_any_step_in_its_range_is_empty(tmp_path: Path) -> None:
    run = run_rules(tmp_path, [{"record": "r", "expr": "x"}], series("x", [1.0] * 3))
    assert not query(run, "count_over_time(x[20s:1m])", [90]).present.any()


def test_group_is_evaluated_at_its_own_interval(tmp_path: Path) -> None:
    """An earlier group cannot read a later group's result of the same instant, only an older result."""
    path = tmp_path / "rules.yml"
    slow = {"name": "slow", "interval": "2m", "rules": [{"record": "slow", "expr": "time()"}]}
    fast = {"name": "fast", "interval": "1m", "rules": [{"record": "fast", "expr": "slow"}]}
    results = []
    for groups in ([slow, fast], [fast, slow]):
        path.write_text(yaml.safe_dump({"groups": groups}))
        run = Run(load([path]), [], 0, 300, keep=True)
        results.append(query(run, "fast", range(120, 301, 60)).values.tolist())
        # Results that no later rule reads are dropped.
        assert query(Run(load([path]), [], 0, 300), "slow", [300]).labels == ()
    assert results == [[[120, 120, 240, 240]], [[0, 120, 120, 240]]]
