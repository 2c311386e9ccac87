"""Histories as OpenMetrics for promtool: the labels of /metrics, and the total at each scrape."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.ledger.contract import Family
from exporter.metrics.collector import zero_series
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.names import SERIES_LABELS, SESSION_ENDS
from exporter.rule_files import RULES
from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.openmetrics import INSTANCE, JOB, LEDGER, daily, openmetrics
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, simulate
from exporter.simulate.traffic import Traffic
from exporter.taxonomy.loader import load
from tests.dashboards.shipped import query_of
from tests.e2e.prometheus_process import PrometheusProcess

Samples = dict[tuple[frozenset[tuple[str, str]], float], float]
RESTARTS = Traffic(ends_per_hour=5000.0, p_missed_scrape=0.1, restarts_per_day=400.0)


@pytest.fixture(scope="module")
def histories() -> list[History]:
    """A quarter of an hour around a midnight, with restarts."""
    days, start = HOUR / 4 / DAY, MONDAY - HOUR / 8
    return [simulate(system, RESTARTS, days, start=start) for system in SYSTEMS]


def samples(text: str, metric: str = "") -> Samples:
    """The samples of a metric, or of all metrics with the names among their labels."""
    pairs = [
        ((frozenset(labels.items()), float(sample.timestamp or 0)), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if metric in ("", sample.name)
        for labels in [sample.labels if metric else sample.labels | {"__name__": sample.name}]
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_samples_are_the_totals_at_each_scrape_after_a_zero(histories: list[History]) -> None:
    """Their labels are those of a scrape."""
    target = {("ledger", LEDGER), ("job", JOB), ("instance", INSTANCE)}
    expected: Samples = {}
    for series in zero_series(load(), ()):
        if series.family is not Family.ENDS:
            continue
        pairs = dict(zip(SERIES_LABELS, series.key[1:], strict=True))
        labels = frozenset({*pairs.items(), *target})
        history = histories[SYSTEMS.index(pairs["system"])]
        assert not history.scraped.all()
        expected[labels, history.start] = 0
        totals = np.cumsum(history.ends[:, history.codes.index(pairs["code"])])
        for scrape in np.flatnonzero(history.scraped).tolist():
            expected[labels, history.start + (scrape + 1) * history.step] = totals[scrape]
    assert samples("".join(openmetrics(histories)), SESSION_ENDS) == expected


def test_texts_of_the_taxonomy_have_two_samples_in_an_hour() -> None:
    """Rules and dashboards look back an hour for them."""
    start = MONDAY - HOUR
    histories = [
        simulate(system, Traffic(), days=2 * HOUR / DAY, start=start) for system in SYSTEMS
    ]
    target = {("job", JOB), ("instance", INSTANCE)}
    collector = TaxonomyCollector(load(), f"http://{INSTANCE}", "")
    assert {
        key: value
        for key, value in samples("".join(openmetrics(histories))).items()
        if ("__name__", SESSION_ENDS) not in key[0]
    } == {
        (frozenset({*sample.labels.items(), ("__name__", sample.name), *target}), at): sample.value
        for family in collector.collect()
        for sample in family.samples
        for at in (start, start + HOUR / 2, start + HOUR, start + 1.5 * HOUR)
    }


def test_daily_files_together_have_all_samples(histories: list[History]) -> None:
    (first, before), (second, after) = (
        (date, samples("".join(text))) for date, text in daily(histories)
    )
    assert (first, second) == ("2026-01-04", "2026-01-05")
    assert all(time < MONDAY for _, time in before)
    assert not before.keys() & after.keys()
    assert before | after == samples("".join(openmetrics(histories)))


def test_backfill_has_the_ends_of_an_incident_and_fills_a_dashboard(tmp_path: Path) -> None:
    traffic = Traffic(ends_per_hour=5000.0, p_missed_scrape=0.0, restarts_per_day=0.0)
    plan = [("capacity-large", 2 * HOUR)]
    history = simulate("streampixel", traffic, 4 * HOUR / DAY, plan)
    text = tmp_path / "past.om"
    text.write_text("".join(openmetrics([history])))
    prometheus = PrometheusProcess(tmp_path / "prometheus", [])
    database = tmp_path / "prometheus" / "data"
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, database]
    subprocess.run(command, check=True, capture_output=True)
    (incident,) = history.incidents
    ends = history.ends[history.bins(incident.start, incident.end)]
    length = f"{incident.end - incident.start:.0f}s"
    promtool = ["promtool", "tsdb", "create-blocks-from", "rules", f"--url={prometheus.url}"]
    span = [f"--start={incident.start + HOUR / 2:.0f}", f"--end={incident.end:.0f}"]
    # Failure ratios are made of windows, windows of sums; promtool stores a rule's results at its end.
    for _ in range(3):
        with prometheus:
            rules = [f"--output-dir={database}", RULES / "session-ends.yml"]
            subprocess.run([*promtool, *span, *rules], check=True, capture_output=True)
    ratio = query_of("Success ratio (1h)", "B").expr.replace("$system", history.system)
    with prometheus:
        shown = prometheus.query(ratio, at=incident.end)
        # Both ends of the range are scrapes, so increase() does not extrapolate.
        by_code = prometheus.query(
            f"sum by (code) (increase(session_ends_total[{length}]))", at=incident.end
        )
        whole = prometheus.query("sum(increase(session_ends_total[4h]))", at=history.end)
    assert {dict(labels)["code"]: round(value) for labels, value in by_code.items()} == dict(
        zip(history.codes, ends.sum(axis=0).tolist(), strict=True)
    )
    assert round(whole[frozenset()]) == history.ends.sum()
    assert 0.2 < shown[frozenset({("system", history.system)})] < 0.9
