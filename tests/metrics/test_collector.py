"""The families of the ledger's totals, and the zero-initialized series."""

from prometheus_client import CollectorRegistry

from exporter import names
from exporter.ledger.contract import BUCKETS, OF_SESSIONS, Family, Series, Total
from exporter.metrics.collector import LedgerCollector, zero_durations, zero_series
from exporter.metrics.family import LabelText
from tests.metrics.still_ledger import CREATED, StillLedger, duration, total, two_systems

LABELS = {
    "system": "alpha",
    "code": "1001",
    "phase": "stream",
    "category": "things",
    "outcome": "failure",
    "ledger": "k3f9",
}


def registry_of(ledger: StillLedger, *label_names: str) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(label_names, ledger))
    return registry


def test_each_family_is_a_counter() -> None:
    totals = [total(value, family=family) for value, family in enumerate(Family, 1)]
    registry = registry_of(StillLedger(totals))
    counters = (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS)
    assert [registry.get_sample_value(name, LABELS) for name in counters] == [1, 2, 3]


def test_configured_labels_are_in_the_settings_order() -> None:
    registry = registry_of(StillLedger([total(4, "eu", "demo")]), "region", "project")
    labels = {**LABELS, "region": "eu", "project": "demo"}
    assert registry.get_sample_value(names.SESSION_ENDS, labels) == 4


def test_each_scrape_exports_the_current_totals() -> None:
    ledger = StillLedger([total(1)])
    registry = registry_of(ledger)
    assert registry.get_sample_value(names.SESSION_ENDS, LABELS) == 1
    ledger.series = [Total(ledger.series[0].series, 2, CREATED)]
    assert registry.get_sample_value(names.SESSION_ENDS, LABELS) == 2


def test_buckets_are_cumulative() -> None:
    registry = registry_of(StillLedger(durations=[duration(1, 2, 0, 4, seconds=99.5)]))
    labels = {"system": "alpha", "outcome": "failure"}

    def bucket(bound: str) -> float | None:
        return registry.get_sample_value("session_duration_seconds_bucket", {**labels, "le": bound})

    assert [bucket(str(bound)) for bound in BUCKETS[:5]] == [1, 3, 3, 7, 7]
    assert bucket("+Inf") == 7
    assert registry.get_sample_value("session_duration_seconds_count", labels) == 7
    assert registry.get_sample_value("session_duration_seconds_sum", labels) == 99.5


def test_series_shown_as_0_are_counted() -> None:
    ledger = StillLedger([total(delayed=True), total(code="10", delayed=True), total(code="x")])
    assert registry_of(ledger).get_sample_value(names.FIRST_SEEN_ZERO_SERIES) == 2


def test_label_texts_are_cached_and_forgotten_with_their_series() -> None:
    """Fails if the cache keeps old series: a ledger with new objects at each scrape would leak."""
    texts = LabelText(())
    old = total()
    text = texts.of([old])[old.series]
    assert texts.of([old])[old.series] is text
    new = Series(Family.ENDS, "alpha", "10", "stream", "things", "failure")
    assert list(texts.of([Total(new, 1, CREATED)])) == [new]
    assert texts.of([old])[old.series] is not text


# --- zero-initialized series ---------------------------------------------------------------------


def test_every_code_is_zero_initialized_in_every_counter() -> None:
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


def test_a_zero_initialized_series_has_empty_configured_labels() -> None:
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
