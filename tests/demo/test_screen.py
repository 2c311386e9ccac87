"""What the demo prints."""

import io
from dataclasses import replace

from rich.console import Console

from exporter.demo.receiver import Notified
from exporter.demo.screen import Screen
from exporter.demo.stack import Urls
from exporter.demo.watch import Change

PAGE = Notified(
    "page-platform",
    False,
    {"alertname": "A", "severity": "page", "code": "4001"},
    {
        "summary": "4001 No Worker Node Available spike on streampixel",
        "description": "24 in 10s, usual 0.3; 24% of all ends.\nCauses: none.\nFix: wait.",
        "runbook_url": "http://127.0.0.1:10401/codes/streampixel/4001",
    },
)
URLS = Urls("http://h:1", "http://h:2", "http://h:3", "http://h:4", "")


class Shown:
    """A screen of 60 columns and what is on it."""

    def __init__(self, *, terminal: bool = False) -> None:
        self._file = io.StringIO()
        console = Console(file=self._file, width=60, force_terminal=terminal, no_color=True)
        self._times = iter([100.0, 112.4, 113.0, 114.0])
        self.screen = Screen(console, lambda: next(self._times))

    @property
    def text(self) -> str:
        return self._file.getvalue()


def test_a_page_that_is_piped_is_plain_lines_with_all_that_on_call_gets() -> None:
    shown = Shown()
    shown.screen.notified(PAGE)
    assert shown.text.splitlines() == [
        "  12 s  notified  4001 No Worker Node Available spike on streampixel, to page-platform",
        "        | 4001 No Worker Node Available spike on streampixel",
        "        | 24 in 10s, usual 0.3; 24% of all ends.",
        "        | Causes: none.",
        "        | Fix: wait.",
        "        | Runbook: http://127.0.0.1:10401/codes/streampixel/4001",
    ]


def test_a_page_on_a_terminal_has_a_frame() -> None:
    shown = Shown(terminal=True)
    shown.screen.notified(PAGE)
    assert "╭" in shown.text
    assert "24 in 10s, usual 0.3" in shown.text


def test_a_ticket_is_one_line_and_so_is_the_end_of_a_page() -> None:
    shown = Shown()
    shown.screen.notified(replace(PAGE, labels={"severity": "ticket"}, receiver="ticket-platform"))
    shown.screen.notified(replace(PAGE, resolved=True))
    assert [line.split()[2] for line in shown.text.splitlines()] == ["ticket", "resolved"]


def test_brackets_of_an_alert_are_shown_and_not_taken_for_a_style() -> None:
    """Fails when the console reads markup: `[/x]` ends the demo with an exception."""
    for terminal in (False, True):
        shown = Shown(terminal=terminal)
        shown.screen.notified(replace(PAGE, annotations={"summary": "a [/x] b"}))
        assert "[/x]" in shown.text


def test_an_alert_s_state_is_told_with_its_severity() -> None:
    shown = Shown()
    shown.screen.change(Change("pending", "A", "Sessions end", "page"))
    assert shown.text == "  12 s  pending   Sessions end (page)\n"


def test_what_to_open_has_grafana_where_it_runs_and_says_that_it_does_not() -> None:
    shown, with_grafana = Shown(), Shown()
    shown.screen.opened(URLS)
    with_grafana.screen.opened(replace(URLS, grafana="http://h:5"))
    for url in ("http://h:2/\n", "http://h:2/codes/streampixel/4001", "http://h:3/alerts"):
        assert url in shown.text
    assert "Grafana is not installed" in shown.text
    assert "http://h:5/d/session-ends\n" in with_grafana.text
    assert "not installed" not in with_grafana.text
