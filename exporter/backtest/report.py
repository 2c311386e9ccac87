"""The replays for people: pages and tickets, the pager's load, and which codes are noisy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.backtest.figures import date, length, minute, rate, share
from exporter.backtest.left_out import LeftOut
from exporter.backtest.noise import noise
from exporter.backtest.notifications import PAGE, TICKET, Notification, severity
from exporter.backtest.replay import WEEK, Replay
from exporter.names import SYSTEM
from exporter.promql.run import Firing

_PLURAL: Final = {PAGE: "pages", TICKET: "tickets"}
_STILL: Final = "+"
_LABEL: Final = re.compile(r"\{\{ ?\$labels\.(\w+) ?\}\}")
_UNLESS: Final = re.compile(r'\{\{ if ne \$labels\.(\w+) "([^"]*)" \}\}(.*?)\{\{ end \}\}')


@dataclass(frozen=True, slots=True)
class Report:
    """`notifications` are those of all replays; `files` is how many files were read."""

    replays: Sequence[Replay]
    notifications: Sequence[Notification]
    left_out: LeftOut
    files: int

    def show(self, console: Console) -> None:
        """Prints the report, in as many columns as the console has."""
        for replay in self.replays:
            _line(console, self._history(replay))
        self._pages(console)
        self._tickets(console)
        self._load(console)
        self._noise(console)
        self._rest(console)

    def _history(self, replay: Replay) -> Text:
        ends = sum(replay.ends().values())
        return Text.assemble(
            (replay.system.system, "bold"),
            f"  {ends:,} ends in {length(replay.until - replay.since)},"
            f" {date(replay.since)} to {date(replay.until)} UTC",
        )

    def _firings(self, wanted: str) -> list[tuple[Replay, Firing]]:
        found = [
            (replay, one)
            for replay in self.replays
            for one in replay.firings
            if severity(one.labels) == wanted
        ]
        return sorted(found, key=lambda one: one[1].start)

    def _pages(self, console: Console) -> None:
        pages = self._firings(PAGE)
        _heading(console, f"Would have paged: {len(pages):,}")
        table = _table("Begin, UTC", "For", "Alert")
        for replay, one in pages:
            table.add_row(
                minute(one.start),
                _lasted(replay, one),
                Text(summary(one), style="red"),
            )
        if pages:
            console.print(table)

    def _tickets(self, console: Console) -> None:
        groups: dict[str, list[tuple[Replay, Firing]]] = {}
        for replay, one in self._firings(TICKET):
            groups.setdefault(summary(one), []).append((replay, one))
        total = sum(map(len, groups.values()))
        _heading(console, f"Would have opened tickets: {total:,}")
        table = _table("First, UTC", "Times", "For", "Alert", right=("Times",))
        for group in sorted(groups.values(), key=lambda one: (-len(one), one[0][1].start)):
            seconds = sum(replay.seconds(one) for replay, one in group)
            still = _STILL if any(one.end is None for _, one in group) else ""
            table.add_row(
                minute(group[0][1].start),
                f"{len(group):,}",
                length(seconds) + still,
                Text(summary(group[0][1])),
            )
        if total:
            console.print(table)
        if any(one.end is None for replay in self.replays for one in replay.firings):
            _line(console, Text(f"{_STILL}: fired still when the events ended.", style="dim"))

    def _load(self, console: Console) -> None:
        _heading(console, "Load")
        # A page in ten days is three a month; a page in an hour says nothing about a month.
        long = max(one.until - one.since for one in self.replays) >= WEEK
        monthly = ("Alerts / 30 days", "Told / 30 days") if long else ()
        numbers = ("Alerts", "Told", *monthly)
        table = _table("System", "", *numbers, right=numbers)
        for replay in self.replays:
            name, months = replay.system.system, replay.months()
            for kind in (PAGE, TICKET):
                alerts = sum(severity(one.labels) == kind for one in replay.firings)
                told = sum(
                    one.system == name and one.severity == kind for one in self.notifications
                )
                table.add_row(
                    Text(name if kind == PAGE else ""),
                    _PLURAL[kind],
                    f"{alerts:,}",
                    f"{told:,}",
                    *(rate(one / months) for one in (alerts, told)[: len(monthly)]),
                )
        console.print(table)
        _line(
            console,
            Text(
                "Told: messages, as Alertmanager groups by system, waits and repeats.",
                style="dim",
            ),
        )

    def _noise(self, console: Console) -> None:
        rows = [row for replay in self.replays for row in noise(replay)]
        if not rows:
            return
        _heading(console, "Noisy codes")
        several = len(self.replays) > 1
        titles = ["Code", "Name", "Pages", "Tickets", "Of all ends", "Firing"]
        table = _table(*(["System"] if several else []), *titles, right=titles[2:])
        for row in sorted(rows, key=lambda one: (-one.pages, -one.tickets, -one.seconds)):
            cells = [Text(row.system)] if several else []
            cells += [
                Text(row.code or "all", style="bold"),
                Text(row.name if row.code else "stopped, or error budget"),
                Text(f"{row.pages:,}"),
                Text(f"{row.tickets:,}"),
                Text(share(row.share) if row.code else ""),
                Text(f"{row.seconds / 3600:,.1f} h"),
            ]
            table.add_row(*cells)
        console.print(table)

    def _rest(self, console: Console) -> None:
        left_out = self.left_out
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        _heading(
            console, f"{left_out.counted:,} ends counted of {left_out.read:,} events in {files}"
        )
        for count, why in left_out.lines():
            _line(console, Text(f"{count:>9,} left out {why}"))
        _line(
            console,
            Text(
                "The alerts about the exporter itself follow from no event and are not in here.",
                style="dim",
            ),
        )


def summary(firing: Firing) -> str:
    """The alert's summary, when its template has only labels and whether a label has a value; else its
    name and system."""
    labels = firing.labels
    template = _UNLESS.sub(
        lambda found: found[3] if labels.get(found[1], "") != found[2] else "",
        firing.rule.annotations.get("summary", ""),
    )
    if not template or "{{" in _LABEL.sub("", template):
        template = f"{firing.rule.name} on {{{{ $labels.{SYSTEM} }}}}"
    return _LABEL.sub(lambda found: labels.get(found[1], ""), template)


def _heading(console: Console, text: str) -> None:
    console.print()
    _line(console, Text(text, style="bold"))


def _line(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)


def _table(*titles: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for place, title in enumerate(titles):
        justify: Literal["left", "right"] = "right" if title in right else "left"
        justify = "right" if title in right or (right == "*" and place > 1) else "left"
        table.add_column(
            title, justify=justify, no_wrap=place < len(titles) - 1 and title != "Name"
        )
    return table


def _lasted(replay: Replay, one: Firing) -> str:
    return length(replay.seconds(one)) + (_STILL if one.end is None else "")
