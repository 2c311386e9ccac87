"""The alerts about the exporter itself: firing with exact labels and texts, near misses silent."""

from pathlib import Path

import pytest

from tests.rules.exporter_cases import (
    ACCEPTED,
    ANSWERED,
    COUNTS,
    DAMAGED,
    EXPIRED,
    REFUSED,
    REJECTED,
    SKEWED,
    TROUBLES,
    UNAUTHORIZED,
    UNKNOWN,
    UP,
    WRITABLE,
    delays,
    run_of,
)
from tests.rules.promtool import EXPORTER, Case, run

REFUSING = "SessionEndExporterRequestsRefused"


@pytest.mark.parametrize("alert", TROUBLES)
def test_an_alert_about_the_exporter_fires_and_not_before_and_not_nearly(
    tmp_path: Path, alert: str
) -> None:
    assert run_of(alert).verdict(tmp_path) == ""


def test_an_exporter_without_trouble_has_no_alert(tmp_path: Path) -> None:
    calm = {UP: "1x300", WRITABLE: "1x300", DAMAGED: "0x300", EXPIRED: "0x300", COUNTS: "0+9x300"}
    calm |= {ACCEPTED: "0+100x300", REJECTED: "0x300", SKEWED: "0x300", UNKNOWN: "0x300"}
    calm |= {ANSWERED: "0+100x300", REFUSED: "0x300", UNAUTHORIZED: "0x300"}
    case = Case("1m", calm | delays(9, 10, 10, 10))
    case.query("300m", "count_over_time(ALERTS[5h])", {})
    assert run(tmp_path, (EXPORTER,), case) == ""


def test_ten_refusals_are_a_scanner_and_eleven_are_a_ticket(tmp_path: Path) -> None:
    """Of all requests that there are."""
    ten = Case("1m", {REFUSED: "0x60 10x60", UNAUTHORIZED: "0x60 10x60"})
    eleven = Case("1m", {REFUSED: "0x60 11x60", UNAUTHORIZED: "0x60 11x60"})
    for minute in range(61, 120):
        ten.silent(f"{minute}m", REFUSING)
    fired = f'count_over_time(ALERTS{{alertname="{REFUSING}", alertstate="firing"}}[1h]) > bool 0'
    labels = f'alertname="{REFUSING}", alertstate="firing", severity="ticket", signal="exporter"'
    eleven.query("120m", fired, {f"{{{labels}}}": 1})
    assert run(tmp_path, (EXPORTER,), ten, eleven) == ""
