"""The families of the ledger's totals, and the zero-initialized series."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from exporter import names
from exporter.ledger.contract import BUCKETS, OF_SESSIONS, Family
from exporter.metrics.collector import LedgerCollector, zero_durations, zero_series
from exporter.metrics.exposition import render
from tests.metrics.still_ledger import StillLedger, duration, total, two_systems


def registry_of(ledger: StillLedger, *label_names: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(label_names, ledger))
    return registry


def values(registry: CollectorRegistry, metric: str, *label_names: str) -> dict[str, float]:
    """The values of a metric by the values of some labels."""
    return {
        " ".join(sample.labels[name] for name in label_names): sample.value
        for family in text_string_to_metric_families(render(registry, "")[0].decode())
        for sample in family.samples
        if sample.name == metric
    }


def test_buckets_are_cumulative() -> None:
    registry = registry_of(StillLedger(durations=[duration(1, 2, 0, 4, seconds=99.5)]))
    buckets = values(registry, "session_duration_seconds_bucket", "le")
    assert list(buckets) == [*map(str, BUCKETS), "+Inf"]
    assert list(buckets.values()) == [1, 3, 3, *[7] * 10]
    for name, value in (("count", 7), ("sum", 99.5)):
        shown = values(registry, f"session_duration_seconds_{name}", "system", "outcome")
        assert shown == {"alpha failure": value}


def test_ends_are_added_up_by_each_label_alone() -> None:
    ends = [
        total(4, "eu", "demo"),
        total(2, "eu", ""),
        total(1, 'a"b\\c\n', "demo"),
        total(8, "eu", "demo", code="10"),
        total(16, "", ""),
        total(32, "eu", "demo", delayed=True),
        total(64, "eu", "demo", family=Family.LATE),
    ]
    registry = registry_of(StillLedger(ends), "region", "project")
    body, _ = render(registry, "")
    name = names.SESSION_ENDS_BY_LABEL
    tail = 'outcome="failure",label='
    assert sorted(line for line in body.decode().splitlines() if line.startswith(name)) == [
        f'{name}{{system="alpha",code="10",{tail}"project",value="demo",ledger="k3f9"}} 8',
        f'{name}{{system="alpha",code="10",{tail}"region",value="eu",ledger="k3f9"}} 8',
        f'{name}{{system="alpha",code="1001",{tail}"project",value="demo",ledger="k3f9"}} 5',
        f'{name}{{system="alpha",code="1001",{tail}"region",value="a\\"b\\\\c\\n",ledger="k3f9"}} 1',
        f'{name}{{system="alpha",code="1001",{tail}"region",value="eu",ledger="k3f9"}} 6',
    ]
    body, _ = render(registry_of(StillLedger([total()])), "")
    assert name not in body.decode(), "without configured labels"


def test_repeats_are_added_up_by_code_and_shown_with_their_ends() -> None:
    """Fails when a scrape shows repeats of ends that it shows as 0: ends without repeats would decrease."""
    repeats = Family.REPEATS
    ledger = StillLedger(
        [
            total(9, "eu"),
            total(5, "us", delayed=True),
            total(4, "eu", family=repeats),
            total(3, "us", family=repeats),
            total(0, "", code="10", family=repeats),
        ]
    )
    registry = registry_of(ledger, "region")
    shown = (names.SESSION_END_REPEATS, "system", "code", "outcome", "ledger")
    others = {"alpha 10 failure k3f9": 0}
    assert values(registry, *shown) == {"alpha 1001 failure k3f9": 4, **others}
    ledger.series[1] = replace(ledger.series[1], delayed=False)
    assert values(registry, *shown) == {"alpha 1001 failure k3f9": 7, **others}


def test_series_shown_as_0_are_counted() -> None:
    ledger = StillLedger([total(delayed=True), total(code="10", delayed=True), total(code="x")])
    assert registry_of(ledger).get_sample_value(names.FIRST_SEEN_ZERO_SERIES) == 2


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_lines_follow_the_ledger_from_scrape_to_scrape(accept: str) -> None:
    """Fails when a line or a sum of the last scrape is kept for another total, series, place or ledger."""
    ledger = StillLedger()
    registry = registry_of(ledger, "region")
    first, second = total(1, "eu", session="s-1"), total(2, "us", delayed=True)
    third = total(3, "eu", code="10")
    # The last list is also the first list of the next ledger.
    scrapes = (
        [second],
        [first],
        [first, second],
        [replace(first, value=4), replace(second, delayed=False)],
        [replace(first, value=5), third, second],
        [third, first],
        [],
        [second],
    )
    for ledger.ledger in ("k3f9", "b7", "k3f9"):
        for ledger.series in scrapes:
            body, _ = render(registry, accept)
            assert body == render(registry_of(ledger, "region"), accept)[0]


def test_every_code_is_zero_initialized_in_every_counter_with_empty_labels() -> None:
    series = [
        (series.family, series.system, series.code) for series in zero_series(two_systems(), ())
    ]
    codes = {
        *(("alpha", code) for code in ("none", "1001", "10", "unknown")),
        *(("beta", code) for code in ("1000", "1001", "unknown")),
    }
    assert len(series) == len(set(series))
    families = (*OF_SESSIONS, Family.REPEATS)
    assert set(series) == {(family, *code) for family in families for code in codes}
    keys = [series.key for series in zero_series(two_systems(), ("region", "project"))]
    assert ("ends", "alpha", "10", "stream", "things", "neutral", "", "") in keys


def test_histograms_exist_for_the_outcomes_of_a_system() -> None:
    assert zero_durations(two_systems()) == [
        ("alpha", "success"),
        ("alpha", "neutral"),
        ("alpha", "failure"),
        ("beta", "success"),
        ("beta", "failure"),
    ]
