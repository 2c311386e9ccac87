"""The ledger's state and the build, as gauges."""

import platform

import pytest
from prometheus_client import CollectorRegistry

import exporter
from exporter import names
from exporter.ledger.contract import Status
from exporter.metrics.state import StateCollector
from tests.metrics.still_ledger import StillLedger


def registry(status: Status) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(StateCollector(StillLedger(state=status), sqlite="3.51.3"))
    return made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (names.LEDGER_SIZE, 1),
        (names.LEDGER_DAMAGED, 2.5),
        (names.QUEUE_EVENTS, 3),
        (names.QUEUE_BYTES, 4),
        (names.WINDOW_IDS, 5),
        (names.WINDOW_CAPACITY, 6),
        (names.WINDOW_SPAN, 7.5),
    ],
)
def test_each_figure_of_the_status_is_a_gauge(name: str, value: float) -> None:
    status = Status(
        size_bytes=1,
        damaged_at=2.5,
        queue_events=3,
        queue_bytes=4,
        window_ids=5,
        window_capacity=6,
        window_span=7.5,
    )
    assert registry(status).get_sample_value(name) == value


def test_the_ledger_is_writable_until_it_has_a_problem() -> None:
    assert registry(Status()).get_sample_value(names.LEDGER_WRITABLE) == 1
    assert registry(Status(problem="disk full")).get_sample_value(names.LEDGER_WRITABLE) == 0


def test_a_window_that_cannot_be_full_has_no_gauges() -> None:
    """Ids that expire by age alone: 0 would say that none is remembered."""
    shown = registry(Status(window_ids=0, window_capacity=0))
    for name in (names.WINDOW_IDS, names.WINDOW_CAPACITY, names.WINDOW_SPAN):
        assert shown.get_sample_value(name) is None


def test_what_an_engine_lost_and_what_it_risks_are_there_at_0_before() -> None:
    def values(status: Status) -> list[float | None]:
        shown = registry(status)
        return [
            shown.get_sample_value(names.LEDGER_LOST),
            *(
                shown.get_sample_value(names.LEDGER_MISCONFIGURED, {names.SETTING: setting})
                for setting in ("version", "appendonly", "maxmemory_policy")
            ),
        ]

    assert values(Status()) == [0, 0, 0, 0]
    wrong = Status(lost_events=7, misconfigured={"appendonly": "Set it."})
    assert values(wrong) == [7, 0, 1, 0]


def test_both_bounds_of_the_window_are_there_at_0_before_one_is_hit() -> None:
    shown = registry(Status(window_expired={"ids": 9}))
    found = [
        shown.get_sample_value(names.WINDOW_EXPIRED, {names.BOUND: bound})
        for bound in ("age", "ids")
    ]
    assert found == [0, 9]


def test_build_info_has_the_versions() -> None:
    labels = {
        "version": exporter.__version__,
        "python": platform.python_version(),
        "sqlite": "3.51.3",
    }
    assert registry(Status()).get_sample_value(names.BUILD_INFO, labels) == 1
