"""The flags of `simulate`, and the run that they describe."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.simulate.history import DAY, HOUR, STEP, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, IncidentPlan, simulate
from exporter.simulate.traffic import Traffic
from exporter.timestamps import option_seconds

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": HOUR, "d": DAY}
_RANGES: Final = (("ends_per_hour", 0.1, 1e8), ("failing", 0, 1), ("speed", 0.01, 1e6))


@dataclass(frozen=True, slots=True)
class Run:
    """What to simulate."""

    systems: Sequence[str]
    traffic: Traffic
    seconds: float
    start: float
    incidents: IncidentPlan
    seed: int
    speed: float

    def histories(self) -> list[History]:
        days = self.seconds / DAY
        return [
            simulate(system, self.traffic, days, self.incidents, self.seed, self.start)
            for system in self.systems
        ]


@dataclass(frozen=True, slots=True)
class Options:
    """The command's flags; None where a flag was not given."""

    url: str | None = None
    openmetrics: Path | None = None
    ndjson: Path | None = None
    system: str = "streampixel"
    ends_per_hour: float = 1000.0
    failing: float | None = None
    duration: str | None = None
    start: str | None = None
    incidents: Sequence[str] = ()
    speed: float = 60.0
    seed: int | None = None
    token_file: Path | None = None

    def run(self, now: float, random_seed: int) -> Run:
        """The run that the flags describe. Raises `ConfigError` with flag and rule."""
        self._check()
        systems = SYSTEMS if self.system == "both" else (self.system,)
        seconds = self._seconds()
        start = self._start(now - seconds)
        # Scrapes and restarts of an exporter that receives events are real, not simulated.
        traffic = Traffic(self.ends_per_hour, self.failing)
        if not self.openmetrics:
            traffic = replace(traffic, restarts_per_day=0.0, p_missed_scrape=0.0)
        return Run(
            systems=systems,
            traffic=traffic,
            seconds=seconds,
            start=float(math.floor(start)),
            incidents=self._plan(systems, seconds),
            seed=random_seed if self.seed is None else self.seed,
            speed=self.speed,
        )

    def _check(self) -> None:
        outputs = (self.url, self.openmetrics, self.ndjson)
        if sum(output is not None for output in outputs) != 1:
            raise ConfigError("--url, --openmetrics, --ndjson: give exactly one of them")
        if self.token_file is not None and self.url is None:
            raise ConfigError("--token-file: use it with --url only")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                flag = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{flag} = {value:g}: use a number from {low:g} to {high:,g}")

    def _seconds(self) -> float:
        if self.duration is None:
            return HOUR
        seconds = _duration("--for", self.duration)
        if not STEP <= seconds <= 90 * DAY:
            raise ConfigError(f"--for {self.duration}: use a duration from {STEP:g}s to 90d")
        return seconds

    def _start(self, default: float) -> float:
        if self.start is None:
            return MONDAY + 8 * HOUR if self.url else default
        return option_seconds("--start", self.start)

    def _plan(self, systems: Sequence[str], seconds: float) -> IncidentPlan:
        """Incidents without an offset are spread over the middle half of the run."""
        plan = []
        for number, text in enumerate(self.incidents):
            name, at, offset = text.partition("@")
            if name not in KINDS:
                raise ConfigError(f"--incident {text}: unknown; use one of {', '.join(KINDS)}")
            if not any(system in KINDS[name].codes for system in systems):
                raise ConfigError(f"--incident {text}: {self.system} does not have this incident")
            onset = (0.25 + 0.5 * number / len(self.incidents)) * seconds
            if at:
                onset = _duration(f"--incident {text}", offset)
            if not onset < seconds:
                raise ConfigError(f"--incident {text}: starts after the end of the simulation")
            plan.append((name, onset))
        return plan


def _duration(flag: str, text: str) -> float:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", text)
    if not match:
        raise ConfigError(f"{flag}: {text!r} is not a duration; use 90s, 45m, 6h or 2d")
    return float(match[1]) * _UNITS[match[2]]
