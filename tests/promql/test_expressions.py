"""Generated expressions, evaluated here and by a real Prometheus over the same samples."""

import json
import os
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
from exporter.promql.value import Flags, Vector
from tests.e2e.prometheus_process import PrometheusProcess
from tests.promql.compared import same
from tests.promql.grammar import expressions
from tests.promql.history import COUNT, START, STEP, history, write_blocks

EXPRESSIONS = int(os.environ.get("PROMQL_EXPRESSIONS", "60"))
"""How many are generated; `PROMQL_EXPRESSIONS=600` for all."""
EVERY = 97
FIRST = START + 600
LAST = START + COUNT * STEP + 420
AT = np.arange(FIRST, LAST, EVERY, dtype=np.int64) * 1000
Answer = dict[frozenset[tuple[str, str]], dict[int, float]]


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


def asked(prometheus: PrometheusProcess, text: str) -> Answer | str:
    """Prometheus' answer, or the error of an evaluation that it refuses."""
    try:
        answer = prometheus.get("query_range", query=text, start=FIRST, end=LAST - 1, step=EVERY)
    except urllib.error.HTTPError as error:
        problem: dict[str, Any] = json.load(error)
        return f"{problem['errorType']}: {problem['error']}"
    return {
        frozenset(series["metric"].items()): {
            round(at * 1000): float(value) for at, value in series["values"]
        }
        for series in answer["result"]
    }


def evaluated(store: Store, text: str) -> tuple[Vector, Flags]:
    evaluation = Evaluation(store, Instants(AT))
    vector = evaluation.vector(prepared(text))
    return vector, evaluation.failed


def answered(vector: Vector) -> Answer:
    answer: Answer = {}
    for row, labels in enumerate(vector.labels):
        places = np.flatnonzero(vector.present[row]).tolist()
        if places:
            answer[frozenset(labels)] = {
                int(AT[place]): float(vector.values[row, place]) for place in places
            }
    return answer


def differences(ours: Answer, theirs: Answer) -> list[str]:
    differing = [f"only here: {dict(key)}" for key in ours.keys() - theirs.keys()]
    differing += [f"only there: {dict(key)}" for key in theirs.keys() - ours.keys()]
    for key in ours.keys() & theirs.keys():
        mine, other = ours[key], theirs[key]
        if mine.keys() != other.keys():
            differing.append(f"{dict(key)}: at {sorted(mine.keys() ^ other.keys())[:5]}")
            continue
        values = [(mine[at], other[at]) for at in mine if not same(mine[at], other[at])]
        if values:
            differing.append(f"{dict(key)}: {values[:3]}")
    return differing


def compare(prometheus: PrometheusProcess, store: Store, text: str) -> None:
    theirs = asked(prometheus, text)
    if isinstance(theirs, str) and theirs.startswith("bad_data: "):
        with pytest.raises(ValueError, match=r"."):
            prepared(text)
        return
    vector, failed = evaluated(store, text)
    if isinstance(theirs, str):
        assert theirs.startswith("execution: "), (text, theirs)
        assert failed.any(), (text, theirs)
        return
    assert not failed.any(), (text, "fails only here")
    assert not differences(answered(vector), theirs), (text, differences(answered(vector), theirs))


@pytest.mark.parametrize("text", EDGES)
def test_an_expression_has_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store, text: str
) -> None:
    compare(prometheus, store, text)


def test_generated_expressions_have_the_values_of_prometheus(
    prometheus: PrometheusProcess, store: Store
) -> None:
    seen: set[str] = set()

    @settings(
        max_examples=EXPRESSIONS,
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
    assert len(seen) >= EXPRESSIONS * 5 // 6
