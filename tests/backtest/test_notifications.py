"""When Alertmanager tells somebody: groups, waits, repeats and inhibition, in minutes after an alert."""

import pytest

from exporter.backtest.firing import Firing
from exporter.backtest.notifications import Notification, notifications
from exporter.backtest.routing import Routing
from tests.alertmanager import shipped

ALERTS = {one.alert: one for one in shipped.pack().subjects}
ROUTING = Routing(shipped.pack())
WORKERS, STREAMER = "StreampixelNoWorkerNodeAvailableSpike", "StreampixelStreamerNotFoundSpike"
CRASHED, REMOTE = "StreampixelApplicationClosedCrashedSpike", "SoftdriveServerIsUnreachableSpike"
ELEVATED = "StreampixelNoWorkerNodeAvailableElevated"
BUDGET = "StreampixelBudget"
Given = tuple[str, float, float | None]


def sent(*given: Given, until: float = 10_000) -> list[Notification]:
    """For alerts that fire from a minute to another."""
    firings = [
        Firing(ALERTS[name], start * 60.0, None if end is None else end * 60.0)
        for name, start, end in given
    ]
    return notifications(firings, ROUTING, until * 60.0)


def minutes(found: list[Notification]) -> list[float]:
    return [round(one.at / 60, 2) for one in found]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(WORKERS, 0, 30)], [0.67]),
        ([(WORKERS, 0, 30), (STREAMER, 0.5, 30)], [0.67]),
        ([(WORKERS, 0, 30), (STREAMER, 5, 30)], [0.67, 10.67]),
        ([(WORKERS, 0, 31), (WORKERS, 39, 60)], [0.67]),
        ([(WORKERS, 0, 30), (WORKERS, 45, 60)], [0.67, 45.67]),
        ([(WORKERS, 0, 90), (STREAMER, 0, 5), (STREAMER, 25, 40)], [0.67, 30.67]),
        ([(WORKERS, 0, 500)], [0.67, 240.67, 480.67]),
        ([(WORKERS, 0, None)], [0.67, 240.67, 480.67]),
        ([(ELEVATED, 0, 200)], [5]),
    ],
    ids=[
        "one alert",
        "two that rise together",
        "one that joins",
        "gone and back within the interval",
        "gone and back later",
        "one of two gone and back",
        "repeated every four hours",
        "firing still",
        "a ticket waits longer",
    ],
)
def test_a_group_is_notified_of_what_is_new_in_it(
    given: list[Given], expected: list[float]
) -> None:
    assert minutes(sent(*given, until=501)) == expected


def test_systems_and_rotas_are_told_apart() -> None:
    found = sent((WORKERS, 0, 30), (CRASHED, 0, 30), (REMOTE, 0, 30))
    assert {(one.receiver, one.system) for one in found} == {
        ("page-platform", "streampixel"),
        ("page-application", "streampixel"),
        ("page-platform", "softdrive"),
    }


def test_a_ticket_waits_while_a_page_for_its_code_fires() -> None:
    found = sent((WORKERS, 0, 90), (ELEVATED, 30, 200))
    assert [(one.severity, round(one.at / 60, 2)) for one in found] == [
        ("page", 0.67),
        ("ticket", 95.0),
    ]


def test_a_ticket_that_was_sent_before_its_page_is_not_sent_again_after_it() -> None:
    found = sent((ELEVATED, 0, 300), (WORKERS, 50, 100))
    assert [one.severity for one in found] == ["ticket", "page"]


def test_tickets_are_repeated_after_three_days() -> None:
    assert minutes(sent((BUDGET, 0, None), until=3 * 1440 + 60)) == [5.0, 3 * 1440 + 5.0]
