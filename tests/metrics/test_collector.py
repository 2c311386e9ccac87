"""The families made of the ledger's totals, as prometheus-client sees them."""

from prometheus_client import CollectorRegistry

from exporter import names
from exporter.ledger.contract import BUCKETS, Family, Series, Total
from exporter.metrics.collector import LedgerCollector
from exporter.metrics.family import LabelText
from tests.metrics.still_ledger import CREATED, StillLedger, duration, total


def registry(ledger: StillLedger, *label_names: str) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(LedgerCollector(label_names, ledger))
    return made


LABELS = {
    "system": "alpha",
    "code": "1001",
    "phase": "stream",
    "category": "things",
    "outcome": "failure",
    "ledger": "k3f9",
}


def test_each_family_is_a_counter_of_its_own() -> None:
    shown = registry(
        StillLedger([total(place, family=family) for place, family in enumerate(Family, 1)])
    )
    values = [
        shown.get_sample_value(name, LABELS)
        for name in (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS)
    ]
    assert values == [1, 2, 3]


def test_configured_labels_have_their_names_in_the_settings_order() -> None:
    shown = registry(StillLedger([total(4, "eu", "demo")]), "region", "project")
    found = shown.get_sample_value(
        names.SESSION_ENDS, {**LABELS, "region": "eu", "project": "demo"}
    )
    assert found == 4


def test_the_next_scrape_shows_what_the_ledger_counted_since() -> None:
    ledger = StillLedger([total(1)])
    shown = registry(ledger)
    assert shown.get_sample_value(names.SESSION_ENDS, LABELS) == 1
    ledger.series = [Total(ledger.series[0].series, 2, CREATED)]
    assert shown.get_sample_value(names.SESSION_ENDS, LABELS) == 2


def test_buckets_are_cumulative_and_the_last_one_is_the_count() -> None:
    shown = registry(StillLedger(durations=[duration(1, 2, 0, 4, seconds=99.5)]))
    cell = {"system": "alpha", "outcome": "failure"}

    def bucket(bound: str) -> float | None:
        return shown.get_sample_value("session_duration_seconds_bucket", {**cell, "le": bound})

    assert [bucket(str(bound)) for bound in BUCKETS[:5]] == [1, 3, 3, 7, 7]
    assert bucket("+Inf") == 7
    assert shown.get_sample_value("session_duration_seconds_count", cell) == 7
    assert shown.get_sample_value("session_duration_seconds_sum", cell) == 99.5


def test_the_number_of_held_series_agrees_with_the_zeros_of_the_same_scrape() -> None:
    shown = registry(
        StillLedger([total(delayed=True), total(code="10", delayed=True), total(code="x")])
    )
    assert shown.get_sample_value(names.HELD_SERIES) == 2


def test_a_label_text_is_made_once_and_forgotten_with_its_series() -> None:
    """Fails when the cache keeps series: a ledger that makes new objects at each scrape would leak."""
    texts = LabelText(())
    one = total()
    first = texts.of([one])[one.series]
    assert texts.of([one])[one.series] is first
    other = Series(Family.ENDS, "alpha", "10", "stream", "things", "failure")
    assert list(texts.of([Total(other, 1, CREATED)])) == [other]
    assert list(texts._texts) == [other]
