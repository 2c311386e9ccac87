"""The report in 80 columns, and the summaries of its alerts. docs/backtest.md has a whole report."""

import re
from pathlib import Path
from unittest import mock

import pytest

from exporter.backtest.report import share, span, title
from exporter.promql.run import Firing
from tests.backtest.histories import event, run, write


def test_ticket_that_the_page_inhibits_is_marked(tmp_path: Path) -> None:
    events = [event(at * 60.0, "4001" if at >= 360 and at % 3 else "1000") for at in range(600)]
    lines = run([write(tmp_path / "a.ndjson", events)]).text
    elevated = "4001 No Worker Node Available elevated on streampixel (1 not sent)"
    assert elevated in " ".join(lines.split())
    assert lines.count("not sent") == 1


def test_number_per_month_needs_a_week(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    week = [event(at * 600.0, "1000") for at in range(7 * 144 + 1)]
    page = [event(86400.0 + at * 5.0) for at in range(60)]
    for days, expected in ((7, "1 (4.3 in 30 days)"), (6, "1")):
        write(path, [*week[: days * 144 + 1], *page])
        assert f"Would have paged: {expected}\n" in run([path]).text


def test_durations_of_alerts_end_with_the_period(tmp_path: Path) -> None:
    """Fails if the page or the ticket, which end at 03:10 and later, are shown with all their time."""
    codes = ["1000" if at < 240 or at >= 360 else "4001" for at in range(1_000)]
    path = write(tmp_path / "a.ndjson", [event(at * 30.0, code) for at, code in enumerate(codes)])
    since, until = "2026-01-05T02:40:00Z", "2026-01-05T03:00:00Z"
    text = run([path], since=since, until=until).text
    assert "Mon 05 Jan 02:03  20m+  4001 No Worker Node Available spike" in text
    assert re.search(r" 1  \d+m\+ +4001 No Worker Node Available elevated", text)
    assert "+: the alert also fires before or after this period.\n" in text


def test_unknown_codes_and_ignored_fields_are_listed(tmp_path: Path) -> None:
    """For some events the column of the code has another name or contains unknown codes."""
    events = [event(at * 10.0, f"c{at % 12}", error_code="4001") for at in range(600)]
    events += [event(at * 10.0 + 1, "[red]\u202e", **{"\x1b[2J": 1}) for at in range(600)]
    done = run([write(tmp_path / "a.ndjson", events)])
    lines = [line.rstrip() for line in done.text.splitlines()]
    assert max(map(len, lines[:-3])) <= 80
    assert any(
        re.search(r"1  1h [34]\dm\+?  SessionEndExporterUnknownCodes on", line) for line in lines
    )
    codes = ", ".join(["[red]<U+202E> (600)", *(f"c{number} (50)" for number in range(9))])
    assert lines[-4:-1] == [
        "1,200 ends counted of 1,200 events in 1 file",
        "ignored fields: error_code (near code), <U+001B>[2J",
        f"1,200 ends of streampixel with unknown codes, the most frequent: {codes}",
    ]
    assert "no such field: <U+001B>[2J" in done.errors


def test_report_of_a_quiet_history_has_no_tables(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event(at * 60.0, "1000") for at in range(200)])
    text = run([path]).text
    assert "Would have paged: 0\n" in text
    assert "Would have opened tickets: 0\n" in text
    assert "UTC  " not in text
    assert "+:" not in text
    assert "Noisy codes" not in text
    assert "unknown codes" not in text


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"code": "4001", "name": "No [b]", "signal": "spike"}, "4001 No [b] spike on mine"),
        ({"code": "4001"}, "4001 Mine on mine"),
        ({"code": "Timeout", "name": "Timeout", "signal": "new"}, "Timeout new on mine"),
        ({"signal": "stopped"}, "Mine on mine"),
        ({"system": ""}, "Mine on all systems"),
    ],
)
def test_title_of_an_alert_has_its_code_or_name(labels: dict[str, str], expected: str) -> None:
    rule = mock.Mock()
    rule.name = "Mine"
    given = {name: text for name, text in ({"system": "mine"} | labels).items() if text}
    assert title(Firing(rule, given, 0, None)) == expected


def test_numbers_are_shown_with_two_units_or_digits() -> None:
    """A small number is not rounded to zero."""
    assert [span(seconds) for seconds in (0, 89, 3599)] == ["0m", "1m", "1h 00m"]
    assert [span(seconds) for seconds in (5400, 90_000)] == ["1h 30m", "1d 1h"]
    assert [share(part) for part in (0.5, 0.0123, 0.00001)] == ["50.0%", "1.2%", "0.001%"]
