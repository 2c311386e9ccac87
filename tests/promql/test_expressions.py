"""Expressions, evaluated here and by a real Prometheus over the same samples."""

import json
import urllib.error
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from exporter.promql.evaluate import Evaluation, parse_supported
from exporter.promql.samples import Store
from exporter.promql.value import EvaluationFailed, vector
from tests.e2e.prometheus_process import PrometheusProcess
from tests.promql.grammar import expressions
from tests.promql.history import COUNT, START, STEP, history, write_blocks
from tests.promql.promtool import Values, unequal

EVERY = 97
FIRST = START + 600
LAST = START + COUNT * STEP + 420
AT = np.arange(FIRST, LAST, EVERY, dtype=np.int64) * 1000
EDGES = (
    'sqrt({__name__=~"queue|limit"})',
    '{__name__=~"queue|limit"} > noise',
    "queue * on (system) limit",
    "queue == on (system) group_left (code) limit",
    "max(queue) or max by (system) (queue)",
    '{__name__!="queue", system="alpha"}',
    "rate(ends_total[1h:2m] offset 3m)",
    'absent(queue{code="x", code=~"y", system=~"a", instance="q"})',
    "increase(queue[2m])",
    "quantile_over_time(0.5, noise[20m])",
    "sum_over_time(time()[5m:45s])",
    "count_over_time(absent(queue)[10m:])",
    "queue > 1 < 3",
    "queue unless on () vector(1)",
    "nothing + queue or nothing{}",
    "nothing * on (system) limit",
    "topk(7, queue)",
    "count_over_time((queue * on (system) limit)[10m:])",
    # NaN is the smallest value.
    "quantile_over_time(0, (queue / queue)[3m:1m])",
    "quantile_over_time(0.9, (queue / queue)[3m:1m])",
)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusProcess]:
    folder = tmp_path_factory.mktemp("promql") / "prometheus"
    process = PrometheusProcess(folder, [])
    write_blocks(history(), folder / "data")
    with process:
        yield process


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(history())


def answer(prometheus: PrometheusProcess, text: str) -> Values | str:
    """The values of a range query by labels and time in milliseconds, or the error of Prometheus."""
    try:
        data = prometheus.get("query_range", query=text, start=FIRST, end=LAST - 1, step=EVERY)
    except urllib.error.HTTPError as error:
        problem: dict[str, Any] = json.load(error)
        return f"{problem['errorType']}: {problem['error']}"
    return {
        (frozenset(series["metric"].items()), round(at * 1000)): float(value)
        for series in data["result"]
        for at, value in series["values"]
    }


def compare(prometheus: PrometheusProcess, store: Store, text: str) -> None:
    theirs = answer(prometheus, text)
    if isinstance(theirs, str) and theirs.startswith("bad_data: "):
        with pytest.raises(ValueError, match=r"."):
            parse_supported(text)
        return
    tree = parse_supported(text)
    if isinstance(theirs, str):
        assert theirs.startswith("execution: "), (text, theirs)
        with pytest.raises(EvaluationFailed):
            Evaluation(store, AT).value(tree)
        return
    result = vector(Evaluation(store, AT).value(tree))
    ours = {
        (labels, int(AT[column])): float(result.values[row, column])
        for row, labels in enumerate(map(frozenset, result.labels))
        for column in np.flatnonzero(result.present[row]).tolist()
    }
    assert unequal(text, ours, theirs) == []


def test_edge_cases_have_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store
) -> None:
    for text in EDGES:
        compare(prometheus, store, text)


@settings(
    max_examples=500,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(expressions)
def test_generated_expressions_have_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store, text: str
) -> None:
    compare(prometheus, store, text)
