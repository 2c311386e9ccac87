"""Metrics of the ledger's state and of the build."""

import platform

import apsw
from prometheus_client import CollectorRegistry

import exporter
from exporter import names
from exporter.ledger.contract import Status
from exporter.metrics.own import StateCollector
from tests.metrics.still_ledger import StillLedger

WINDOW = (names.WINDOW_IDS, names.WINDOW_CAPACITY, names.WINDOW_SPAN)


def registry_of(status: Status) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(StateCollector(StillLedger(state=status)))
    return registry


def test_each_number_of_the_status_is_a_gauge() -> None:
    status = Status(
        size_bytes=1,
        damaged_at=2.5,
        queue_events=3,
        window_ids=5,
        window_capacity=6,
        window_span=7.5,
    )
    gauges = {
        names.LEDGER_WRITABLE: 1,
        names.LEDGER_SIZE: 1,
        names.LEDGER_DAMAGED: 2.5,
        names.QUEUE_EVENTS: 3,
        **dict(zip(WINDOW, (5, 6, 7.5), strict=True)),
    }
    registry = registry_of(status)
    assert {name: registry.get_sample_value(name) for name in gauges} == gauges
    assert registry_of(Status(problem="disk full")).get_sample_value(names.LEDGER_WRITABLE) == 0


def test_window_without_a_capacity_has_no_gauges() -> None:
    """Without a capacity, ids expire by age only. A gauge of 0 would mean that no id is remembered."""
    registry = registry_of(Status(window_ids=0, window_capacity=0))
    assert [registry.get_sample_value(name) for name in WINDOW] == [None] * 3


def test_series_with_a_closed_label_set_are_zero_initialized() -> None:
    def values(status: Status) -> list[float | None]:
        registry = registry_of(status)
        settings = ("version", "appendonly", "maxmemory_policy")
        labels = [(names.LEDGER_MISCONFIGURED, {names.SETTING: setting}) for setting in settings]
        labels += [(names.WINDOW_EXPIRED, {names.BOUND: bound}) for bound in ("age", "ids")]
        return [registry.get_sample_value(*pair) for pair in [(names.LEDGER_LOST, {}), *labels]]

    assert values(Status()) == [0, 0, 0, 0, 0, 0]
    status = Status(
        lost_events=7, misconfigured={"appendonly": "Set it."}, window_expired={"ids": 9}
    )
    assert values(status) == [7, 0, 1, 0, 0, 9]


def test_build_info_has_the_versions() -> None:
    labels = {
        "version": exporter.__version__,
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
    }
    assert registry_of(Status()).get_sample_value(names.BUILD_INFO, labels) == 1
