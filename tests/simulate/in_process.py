"""`simulate` in this process, with a clock that only sleeping advances."""

import io
from typing import Any

from exporter.send.delivery import Clock
from exporter.simulate.command import simulate
from exporter.simulate.options import Options

NOW = 1_800_000_000.0
START = "2026-01-05T08:00:00Z"


class InProcess:
    """Runs the command; `exit_code`, its `log`, and the seconds that it slept."""

    def __init__(self, **options: Any) -> None:
        self.slept = 0.0
        self._interrupt_at = options.pop("interrupt_at", float("inf"))
        wall = options.pop("wall", NOW)
        out = io.StringIO()
        clock = Clock(lambda: self.slept, lambda: wall, self._sleep, lambda low, high: high)
        self.exit_code = simulate(Options(**options), out, clock)
        self.log = out.getvalue()

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.slept >= self._interrupt_at:
            raise KeyboardInterrupt

    def counted(self) -> tuple[int, int, int]:
        """Read, accepted and duplicate events of the summary."""
        numbers = self.log.splitlines()[-1].replace(",", "").split()
        assert numbers[1::2][:3] == ["read", "accepted", "duplicates"]
        return int(numbers[0]), int(numbers[2]), int(numbers[4])
