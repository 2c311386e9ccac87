"""Histories as promtool reads them: the labels of /metrics, sums at each scrape, nothing twice."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.ledger.contract import Family
from exporter.metrics.family import values
from exporter.metrics.zero import zero_series
from exporter.names import SERIES_LABELS, SESSION_ENDS
from exporter.simulate.history import History
from exporter.simulate.openmetrics import INSTANCE, JOB, LEDGER, daily, openmetrics
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic
from exporter.taxonomy.loader import load

Samples = dict[tuple[frozenset[tuple[str, str]], float], float]
BUMPY = Traffic(ends_per_hour=5000.0, p_missed_scrape=0.05, restarts_per_day=100.0)


@pytest.fixture(scope="module")
def histories() -> list[History]:
    """An hour around a midnight, with restarts in it."""
    return [simulate(system, BUMPY, HOUR / DAY, start=MONDAY - HOUR / 2) for system in SYSTEMS]


def samples(text: str) -> Samples:
    (family,) = text_string_to_metric_families(text)
    assert (family.name, family.type) == (SESSION_ENDS.removesuffix("_total"), "counter")
    found = [
        ((frozenset(one.labels.items()), float(one.timestamp or 0)), one.value)
        for one in family.samples
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_labels_are_those_of_metrics_and_a_targets(histories: list[History]) -> None:
    found = {labels for labels, _ in samples("".join(openmetrics(histories)))}
    target = {("ledger", LEDGER), ("job", JOB), ("instance", INSTANCE)}
    assert found == {
        frozenset({*zip(SERIES_LABELS, values(series), strict=True), *target})
        for series in zero_series(load(), ())
        if series.family is Family.ENDS
    }


def test_each_scrape_that_happened_shows_all_ends_until_then(histories: list[History]) -> None:
    found: dict[tuple[str, str], dict[float, float]] = {}
    for (labels, at), value in samples("".join(openmetrics(histories))).items():
        named = dict(labels)
        found.setdefault((named["system"], named["code"]), {})[at] = value
    for history in histories:
        assert not history.scraped.all()
        at = history.start + (np.arange(len(history.ends)) + 1) * history.step
        totals = np.cumsum(history.ends, axis=0)[history.scraped]
        for column, code in enumerate(history.codes):
            shown = dict(zip(at[history.scraped].tolist(), totals[:, column].tolist(), strict=True))
            assert found[history.system, code] == {history.start: 0, **shown}


def test_no_ends_are_lost_between_the_first_sample_and_the_last() -> None:
    """Fails when what a restart holds back is not shown after it, and when the first sample isn't a 0."""
    traffic = Traffic(ends_per_hour=5000.0, restarts_per_day=100.0)
    history = simulate("streampixel", traffic, 0.1)
    assert not history.scraped.all()
    history.scraped[-1] = True
    found = samples("".join(openmetrics([history])))
    first, last = (
        sum(value for (_, at), value in found.items() if at == when)
        for when in (history.start, history.end)
    )
    assert (first, last) == (0, history.ends.sum())


def test_days_together_are_the_whole(histories: list[History]) -> None:
    pieces = [(name, samples("".join(text))) for name, text in daily(histories)]
    assert [name for name, _ in pieces] == ["2026-01-04", "2026-01-05"]
    assert all(at < MONDAY for _, at in pieces[0][1])
    together = pieces[0][1] | pieces[1][1]
    assert len(together) == sum(len(one) for _, one in pieces)
    assert together == samples("".join(openmetrics(histories)))


def test_a_history_until_midnight_has_its_last_sample_on_the_next_day() -> None:
    history = simulate("streampixel", BUMPY, 1.0)
    history.scraped[-1] = True
    names = [name for name, _ in daily([history])]
    assert names == ["2026-01-05", "2026-01-06"]
    assert history.end == MONDAY + DAY


def test_promtool_makes_blocks_of_it(histories: list[History], tmp_path: Path) -> None:
    text = tmp_path / "past.om"
    text.write_text("".join(openmetrics(histories)))
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, tmp_path / "data"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Blocks of two hours: one ends at midnight, one begins.
    assert len(list((tmp_path / "data").glob("*/meta.json"))) == 2
