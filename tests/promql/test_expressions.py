"""Expressions, evaluated here and by a real Prometheus over the same samples."""

import json
import urllib.error
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from exporter.promql.evaluate import Evaluation, prepared
from exporter.promql.samples import Store
from exporter.promql.selector import Instants
from tests.e2e.prometheus_process import PrometheusProcess
from tests.promql.grammar import expressions
from tests.promql.history import COUNT, START, STEP, history, write_blocks
from tests.promql.promtool import same

EXPRESSIONS = 500
EVERY = 97
FIRST = START + 600
LAST = START + COUNT * STEP + 420
AT = np.arange(FIRST, LAST, EVERY, dtype=np.int64) * 1000
Answer = dict[tuple[frozenset[tuple[str, str]], int], float]
"""Values by labels and time in milliseconds."""

EDGES = (
    'abs({__name__=~"queue|limit"})',
    '{__name__=~"queue|limit"} > noise',
    "queue * on (system) limit",
    "queue == on (system) group_left (code) limit",
    "limit * on (system) group_right (code) up",
    "clamp_max(-1 / (limit * 0), scalar(limit))",
    "clamp_min(1 / (up - up), scalar(limit))",
    "clamp(queue, 3, 1)",
    "stddev by (system, code) (queue)",
    "quantile(0.5, queue)",
    "max(queue) or min by (system) (queue)",
    'histogram_quantile(0.9, delay_seconds_bucket{le!="+Inf"})',
    "histogram_quantile(0.9, queue)",
    "topk(scalar(up{system='alpha'}) + 1, noise)",
    "rate(ends_total[1h:2m] offset 3m)",
    "timestamp(timestamp(queue))",
    'absent(queue{code="x", code=~"y", system=~"a", instance="q"})',
    "sum_over_time(time()[5m:45s])",
    "count_over_time(absent(queue)[10m:])",
    "-queue ^ 2 % 3 - 2 ^ 3 ^ 2",
    "queue > 1 < bool 3",
    "time() % 7 > bool 3",
    "queue unless on () vector(1)",
    "changes(queue[5m]) + resets(queue[5m])",
    "nothing + queue or nothing{}",
    'label_replace(up, "system", "same", "", "")',
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


def answer(prometheus: PrometheusProcess, text: str) -> Answer | str:
    """The values of a range query, or the error of an expression that Prometheus refuses."""
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
            prepared(text)
        return
    evaluation = Evaluation(store, Instants(AT))
    vector = evaluation.vector(prepared(text))
    if isinstance(theirs, str):
        assert theirs.startswith("execution: "), (text, theirs)
        assert evaluation.failed.any(), (text, theirs)
        return
    assert not evaluation.failed.any(), (text, evaluation.reasons)
    ours = {
        (labels, int(AT[column])): float(vector.values[row, column])
        for row, labels in enumerate(map(frozenset, vector.labels))
        for column in np.flatnonzero(vector.present[row]).tolist()
    }
    assert ours.keys() == theirs.keys(), text
    different = {key: (ours[key], theirs[key]) for key in ours if not same(ours[key], theirs[key])}
    assert not different, text


@pytest.mark.parametrize("text", EDGES)
def test_edge_case_has_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store, text: str
) -> None:
    compare(prometheus, store, text)


def test_generated_expressions_have_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store
) -> None:
    seen: set[str] = set()

    @settings(
        max_examples=EXPRESSIONS * 6 // 5,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(expressions)
    def check(text: str) -> None:
        seen.add(text)
        compare(prometheus, store, text)

    check()
    assert len(seen) >= EXPRESSIONS
