"""When Alertmanager notifies: groups, waits, repeats and inhibition."""

from pathlib import Path
from typing import Any
from unittest.mock import sentinel

import pytest
import yaml

from exporter.backtest.notifications import (
    INHIBITED,
    INHIBITING,
    PAGES,
    TICKETS,
    Notification,
    Timing,
    notifications,
)
from exporter.promql.run import Firing

CONFIG = Path(__file__).parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
Alert = tuple[str, str, str, str]
"""Signal, severity, system and code."""
WORKERS: Alert = ("spike", "page", "streampixel", "4001")
STREAMER: Alert = ("spike", "page", "streampixel", "4005")
REMOTE: Alert = ("spike", "page", "softdrive", "18")
ELEVATED: Alert = ("elevated", "ticket", "streampixel", "4001")
BUDGET: Alert = ("budget", "ticket", "streampixel", "")
Given = tuple[Alert, float, float | None]


def firing(alert: Alert, start: float, end: float | None) -> Firing:
    """A firing whose owner is different for each code."""
    labels = dict(zip(("signal", "severity", "system", "code"), alert, strict=True))
    labels["owner"] = f"owner of {labels['code']}"
    return Firing(sentinel.rule, labels, start * 60, None if end is None else end * 60)


def sent(*given: Given, until: float = 10_000) -> list[Notification]:
    """The notifications for alerts that fire during the given spans of minutes."""
    return notifications([firing(*alert) for alert in given], until * 60.0)


def minutes(notified: list[Notification]) -> list[float]:
    return [round(notification.at / 60, 2) for notification in notified]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(WORKERS, 0, 30)], [0.67]),
        # Two that rise together, and one that joins later.
        ([(WORKERS, 0, 30), (STREAMER, 0.5, 30)], [0.67]),
        ([(WORKERS, 0, 30), (STREAMER, 5, 30)], [0.67, 10.67]),
        # Gone, and back within the interval or later; one of two gone and back.
        ([(WORKERS, 0, 31), (WORKERS, 39, 60)], [0.67]),
        ([(WORKERS, 0, 30), (WORKERS, 45, 60)], [0.67, 45.67]),
        ([(WORKERS, 0, 90), (STREAMER, 0, 5), (STREAMER, 25, 40)], [0.67, 30.67]),
        # A page is repeated every four hours; a ticket waits longer.
        ([(WORKERS, 0, 500)], [0.67, 240.67, 480.67]),
        ([(WORKERS, 0, None)], [0.67, 240.67, 480.67]),
        ([(ELEVATED, 0, 200)], [5]),
        # At the end of the history, which does not belong to it.
        ([(ELEVATED, 496, None)], []),
    ],
)
def test_group_is_notified_of_new_alerts(given: list[Given], expected: list[float]) -> None:
    assert minutes(sent(*given, until=501)) == expected


def test_each_system_and_severity_is_a_group_with_codes_of_any_owner() -> None:
    notified = sent((WORKERS, 0, 30), (STREAMER, 0, 30), (REMOTE, 0, 30), (BUDGET, 0, 30))
    assert [(notification.severity, notification.system) for notification in notified] == [
        ("page", "streampixel"),
        ("page", "softdrive"),
        ("ticket", "streampixel"),
    ]


def test_page_inhibits_the_ticket_of_its_code() -> None:
    assert minutes(sent((WORKERS, 0, 90), (ELEVATED, 30, 200))) == [0.67, 95.0]
    other = (ELEVATED[0], ELEVATED[1], "softdrive", "4001")
    for alert in (other, (*ELEVATED[:3], "4005")):
        assert minutes(sent((WORKERS, 0, 90), (alert, 30, 200))) == [0.67, 35.0]
    sent_before = sent((ELEVATED, 0, 300), (WORKERS, 50, 100))
    assert [notification.severity for notification in sent_before] == ["ticket", "page"]


def test_notification_names_the_firings_it_is_about() -> None:
    page, first, second = (WORKERS, 10, 90), (ELEVATED, 30, 80), (ELEVATED, 95, 200)
    other = (REMOTE, 5, 20)
    notified = sent(other, page, first, second)
    assert [
        [notification.names(firing(*alert)) for notification in notified]
        for alert in (other, page, first, second)
    ] == [[True, False, False], [False, True, False], [False] * 3, [False, False, True]]


def test_ticket_is_repeated_after_three_days() -> None:
    assert minutes(sent((BUDGET, 0, None), until=3 * 1440 + 60)) == [5.0, 3 * 1440 + 5.0]


def seconds(route: dict[str, Any]) -> Timing:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    wait, interval, repeat = (
        float(route[name][:-1]) * units[route[name][-1]]
        for name in ("group_wait", "group_interval", "repeat_interval")
    )
    return Timing(wait, interval, repeat)


def test_timings_and_inhibitions_equal_the_shipped_configuration() -> None:
    config = yaml.safe_load(CONFIG.read_text())
    route = config["route"]
    (page,) = (inner for inner in route["routes"] if inner["matchers"] == ['severity="page"'])
    assert route["group_by"] == ["cluster", "system"]
    assert (seconds(route | page), seconds(route)) == (PAGES, TICKETS)
    assert config["inhibit_rules"][0] == {
        "source_matchers": [f'signal=~"{"|".join(INHIBITING)}"'],
        "target_matchers": [f'signal=~"{"|".join(INHIBITED)}"'],
        "equal": ["cluster", "system", "code"],
    }
