"""The report for people: pages, tickets, notifications per month, and noisy codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.backtest.event_counts import EventCounts
from exporter.backtest.notifications import PAGE, TICKET, severity
from exporter.backtest.replay import Replay
from exporter.names import CODE, NAME, SYSTEM
from exporter.promql.run import Firing

_WEEK: Final = 7 * 86400.0
"""Seconds. Working days and weekends differ: a shorter history does not represent a month."""
_MONTH: Final = 30 * 86400.0
_STILL: Final = "+"


@dataclass(frozen=True, slots=True)
class Report:
    """`files` is the number of files."""

    replays: Sequence[Replay]
    events: EventCounts
    files: int
    console: Console

    def show(self) -> None:
        for replay in self.replays:
            ends, period = sum(replay.ends.values()), span(replay.until - replay.since)
            begin, end = (
                datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
                for at in (replay.since, replay.until)
            )
            text = f"  {ends:,} ends in {period}, {begin} to {end} UTC"
            line = Text.assemble((replay.system, "bold"), text)
            self.console.print(line, soft_wrap=True)
        self._pages()
        self._tickets()
        self._noise()
        self._events()

    def _firings(self, wanted: str) -> list[tuple[Replay, Firing]]:
        firings = [
            (replay, firing)
            for replay in self.replays
            for firing in replay.firings
            if severity(firing.labels) == wanted
        ]
        return sorted(firings, key=lambda pair: pair[1].start)

    def _number(self, firings: Sequence[object]) -> str:
        """The number of alerts, of a week or more also per month."""
        longest = max(replay.until - replay.since for replay in self.replays)
        # One page in ten days is three in a month; a page in an hour says nothing about a month.
        monthly = (
            f" ({len(firings) * _MONTH / longest:,.1f} in 30 days)" if longest >= _WEEK else ""
        )
        return f"{len(firings):,}{monthly}"

    def _pages(self) -> None:
        pages = self._firings(PAGE)
        self._heading(f"Would have paged: {self._number(pages)}")
        table = _table("Begin, UTC", "For", "Alert")
        for replay, firing in pages:
            still = _STILL if replay.cut(firing) else ""
            lasted = span(replay.seconds(firing)) + still
            text = f"{title(firing)}{'' if replay.notified(firing) else ' (not sent)'}"
            table.add_row(_minute(firing), lasted, Text(text, style="red"))
        if pages:
            self.console.print(table)

    def _tickets(self) -> None:
        groups: dict[str, list[tuple[Replay, Firing]]] = {}
        tickets = self._firings(TICKET)
        for replay, firing in tickets:
            groups.setdefault(title(firing), []).append((replay, firing))
        self._heading(f"Would have opened tickets: {self._number(tickets)}")
        table = _table("First, UTC", "Times", "For", "Alert", right=("Times",))
        for alert, group in sorted(groups.items(), key=lambda item: -len(item[1])):
            seconds = sum(replay.seconds(firing) for replay, firing in group)
            still = _STILL if any(replay.cut(firing) for replay, firing in group) else ""
            unsent = sum(replay.notified(firing) is None for replay, firing in group)
            text = f"{alert} ({unsent:,} not sent)" if unsent else alert
            table.add_row(
                _minute(group[0][1]), f"{len(group):,}", span(seconds) + still, Text(text)
            )
        if tickets:
            self.console.print(table)
        if any(replay.cut(firing) for replay in self.replays for firing in replay.firings):
            self._print(f"{_STILL}: the alert also fires before or after this period.", "dim")

    def _noise(self) -> None:
        """A row per code with an alert, and a row per system for its alerts without a code."""
        by_code: dict[tuple[int, str], list[Firing]] = {}
        for number, replay in enumerate(self.replays):
            for firing in replay.firings:
                key = number, firing.labels.get(CODE, "")
                by_code.setdefault(key, []).append(firing)
        if not by_code:
            return
        self._heading("Noisy codes")
        titles = ["System", "Code", "Name", "Pages", "Tickets", "Of all ends", "Firing"]
        table = _table(*titles, right=titles[3:])
        rows = []
        for (number, code), firings in by_code.items():
            replay = self.replays[number]
            ends = replay.ends
            pages = sum(severity(firing.labels) == PAGE for firing in firings)
            seconds = sum(map(replay.seconds, firings))
            cells: list[str | Text] = [
                Text(replay.system),
                Text(code or "all", style="bold"),
                Text(firings[0].labels.get(NAME, "") if code else "alerts without a code"),
                f"{pages:,}",
                f"{len(firings) - pages:,}",
                share(ends.get(code, 0) / max(sum(ends.values()), 1)) if code else "",
                f"{seconds / 3600:,.1f} h",
            ]
            rows.append(((-pages, pages - len(firings), -seconds), cells))
        for _, cells in sorted(rows, key=lambda row: row[0]):
            table.add_row(*cells)
        self.console.print(table)

    def _events(self) -> None:
        events = self.events
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        self._heading(f"{events.counted:,} ends counted of {events.read:,} events in {files}")
        for line in events.remarks():
            self._print(line)
        text = "Other alerts about the exporter do not depend on events and are not evaluated."
        self._print(text, "dim")

    def _heading(self, text: str) -> None:
        self.console.print()
        self._print(text, "bold")

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style), soft_wrap=True)


def title(firing: Firing) -> str:
    """Code, name (if it is another text) and signal; the alert's name if it has no code."""
    labels, alert = firing.labels, firing.rule.name
    code, name = labels.get(CODE, ""), labels.get(NAME, "")
    words = dict.fromkeys((code, name))
    parts = (*words, labels.get("signal", alert)) if code else (alert,)
    return " ".join([*filter(None, parts), "on", labels.get(SYSTEM, "all systems")])


def span(seconds: float) -> str:
    """Seconds in the two largest units."""
    minutes = round(seconds / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes % 60:02}m" if hours else f"{minutes}m"


def share(part: float) -> str:
    """A part of all ends, which may be one in a hundred thousand."""
    return f"{part:.1%}" if part >= 0.001 else f"{part:.3%}"


def _minute(firing: Firing) -> str:
    """The start without its year, which is in the first line: summaries need the space in 80 columns."""
    return datetime.fromtimestamp(firing.start, UTC).strftime("%a %d %b %H:%M")


def _table(*titles: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for title in titles:
        wraps = title in ("Name", titles[-1])
        table.add_column(title, justify="right" if title in right else "left", no_wrap=not wraps)
    return table
