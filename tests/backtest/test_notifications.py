"""Alerts of which Alertmanager notifies, and since when."""

from unittest.mock import sentinel

import pytest
import yaml

from exporter.backtest.notifications import INHIBITED, INHIBITING, WAITS, notified
from exporter.promql.run import Firing
from tests.e2e.exporter_process import ROOT
from tests.lab.score import PAGES

SPIKE = ("spike", "page", "4001")
ELEVATED = ("elevated", "ticket", "4001")


def firing(alert: tuple[str, str, str], start: float, end: float | None) -> Firing:
    """An alert that fires from one minute to another."""
    labels = dict(zip(("signal", "severity", "code"), alert, strict=True))
    return Firing(sentinel.rule, labels, start * 60, None if end is None else end * 60)


@pytest.mark.parametrize(
    ("alert", "minutes"),
    [
        (firing(SPIKE, 0, None), 40 / 60),
        (firing(SPIKE, 0, 0.5), None),
        # A code of another system or code is not inhibited.
        (firing((*ELEVATED[:2], "4005"), 30, 50), 35),
        # The page ends before the ticket, after it, or before the ticket has waited.
        (firing(ELEVATED, 30, 200), 90),
        (firing(ELEVATED, 30, 80), None),
        (firing(ELEVATED, 88, None), 93),
        (firing(ELEVATED, 91, 100), 96),
        # A second page inhibits again.
        (firing(ELEVATED, 190, 300), 260),
    ],
)
def test_alert_is_notified_after_its_wait_and_inhibitions(
    alert: Firing, minutes: float | None
) -> None:
    others = [firing(SPIKE, 240, 260), firing(SPIKE, 10, 90), firing(SPIKE, 190, 240), alert]
    at = notified(alert, others)
    assert at == (None if minutes is None else pytest.approx(60 * minutes))


def test_timings_and_inhibitions_equal_the_shipped_configuration() -> None:
    config = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text())
    route = config["route"]
    (page,) = (inner for inner in route["routes"] if inner["matchers"] == ['severity="page"'])
    units = {"s": 1, "m": 60, "h": 3600}
    times = [
        int(found[name][:-1]) * units[found[name][-1]]
        for found, name in (
            (route, "group_wait"),
            *((page, f"group_{name}") for name in ("wait", "interval")),
            (page, "repeat_interval"),
        )
    ]
    assert times == [WAITS["ticket"], *PAGES]
    assert (route["group_by"], WAITS["page"]) == (["cluster", "system"], PAGES[0])
    assert config["inhibit_rules"][0] == {
        "source_matchers": [f'signal=~"{"|".join(INHIBITING)}"'],
        "target_matchers": [f'signal=~"{"|".join(INHIBITED)}"'],
        "equal": ["cluster", "system", "code"],
    }
