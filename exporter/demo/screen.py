"""What the demo says: lines with the seconds since its start, and a frame for what wakes somebody."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from exporter.demo.compressed import SPEED
from exporter.demo.receiver import Notified
from exporter.demo.stack import Urls
from exporter.demo.traffic import CODE, SYSTEM
from exporter.demo.watch import FIRING, OVER, PENDING, Change
from exporter.names import ALERTS_PATH, CODES_PATH

if TYPE_CHECKING:
    from rich.console import Console

_LOOKS = {PENDING: "yellow", FIRING: "bold red", OVER: "green"}


class Screen:
    """Writes on `console`: with colours and frames on a terminal, plain lines where it is piped."""

    def __init__(self, console: "Console", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._monotonic = monotonic
        self._began = monotonic()

    def say(self, text: str, style: str | None = None) -> None:
        """A line with the time."""
        self._print(f"{self._monotonic() - self._began:4.0f} s  {text}", style)

    def opened(self, urls: Urls) -> None:
        """What there is to look at."""
        rows = {
            "the exporter's pages": f"{urls.ops}/",
            f"what {CODE} means": f"{urls.ops}{CODES_PATH}/{SYSTEM}/{CODE}",
            "every alert": f"{urls.ops}{ALERTS_PATH}",
            "Prometheus": f"{urls.prometheus}/alerts",
            "Alertmanager": f"{urls.alertmanager}/",
        }
        if urls.grafana:
            rows["dashboards"] = f"{urls.grafana}/d/session-ends"
        self._print("")
        for name, url in rows.items():
            self._print(f"  {name:<21} {url}")
        if not urls.grafana:
            self._print("  dashboards            none: Grafana is not installed on this machine")
        self._print(
            f"\nAn hour takes {3600 // SPEED} seconds here, and the rules' times are as much shorter: "
            f"5m are {300 // SPEED}s.\n"
        )

    def change(self, one: Change) -> None:
        """An alert's new state in Prometheus."""
        style = _LOOKS[one.state] if one.severity == "page" else "dim"
        self.say(f"{one.state:<9} {one.summary} ({one.severity})", style)

    def notified(self, one: Notified) -> None:
        """A notification of Alertmanager: a page with all that on-call gets, a ticket in a line."""
        summary = one.annotations.get("summary", one.labels.get("alertname", ""))
        if one.resolved:
            self.say(
                f"resolved  {summary}, says Alertmanager to {one.receiver}",
                "green" if one.page else "dim",
            )
            return
        if not one.page:
            self.say(f"ticket    {summary}, to {one.receiver}", "dim")
            return
        self.say(f"notified  {summary}, to {one.receiver}", "bold red")
        lines = [*one.annotations.get("description", "").splitlines()]
        lines += [
            f"{name.capitalize()}: {one.annotations[name]}"
            for name in ("causes", "fix")
            if name in one.annotations
        ]
        lines.append(f"Runbook: {one.annotations.get('runbook_url', '')}")
        self._framed(summary, lines)

    def _framed(self, title: str, lines: list[str]) -> None:
        if not self._console.is_terminal:
            for line in (title, *lines):
                self._print(f"        | {line}")
            return
        from rich.panel import Panel
        from rich.text import Text

        # Text, not markup: what an alert says is shown as it is.
        self._console.print(
            Panel(Text("\n".join(lines)), title=Text(title), border_style="red", padding=(0, 1))
        )

    def _print(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
