"""`simulate` in this process, and when it begins."""

import io
from typing import Any

from rich.console import Console

from exporter.send.delivery import Clock
from exporter.simulate.command import simulate
from exporter.simulate.options import Options

NOW = 1_800_000_000.0
START = "2026-01-05T08:00:00Z"


class Ran:
    """The command in this process; its clock moves by sleeping alone."""

    def __init__(self, terminal: bool = False, **options: Any) -> None:
        self.now = 0.0
        self.interrupted_at = options.pop("interrupted_at", None)
        wall = options.pop("wall", NOW)
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=100, color_system=None)
        clock = Clock(lambda: self.now, lambda: wall, self._sleep, lambda low, high: high)
        self.exit_code = simulate(Options(**options), console, clock=clock)
        self.said = text.getvalue()

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.interrupted_at is not None and self.now >= self.interrupted_at:
            raise KeyboardInterrupt
