"""What `simulate` was asked to do: flags as given, and the run that follows from them."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.simulate.history import STEP, History
from exporter.simulate.incidents import KINDS
from exporter.simulate.profiles import SYSTEMS
from exporter.simulate.scenario import MONDAY, STANDARD_DAYS, Plan, simulate
from exporter.simulate.traffic import DAY, HOUR, Traffic

BOTH: Final = "both"
REAL_TIME: Final = 1.0
_NOW: Final = "now"
_STANDARD: Final = "standard"
_MORNING: Final = MONDAY + 8 * HOUR
"""Where compressed time begins: with a day's work before it, and the same at every run."""
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": HOUR, "d": DAY}


@dataclass(frozen=True, slots=True)
class Options:
    """The command's flags; None and "" are those that were not given."""

    url: str | None = None
    openmetrics: Path | None = None
    ndjson: Path | None = None
    system: str = "streampixel"
    ends_per_hour: float = 1000.0
    failing: float | None = None
    days: float | None = None
    hours: float | None = None
    duration: str | None = None
    start: str | None = None
    incidents: Sequence[str] = ()
    speed: float = 60.0
    seed: int | None = None
    token_file: Path | None = None

    @property
    def live(self) -> bool:
        """Whether events are posted as time goes by, real or compressed."""
        return self.url is not None

    def check(self) -> None:
        """Raises `ConfigError` for outputs and numbers that can't be."""
        given = [self.url, self.openmetrics, self.ndjson]
        if sum(one is not None for one in given) != 1:
            raise ConfigError("--url, --openmetrics, --ndjson: give one of them")
        if self.system not in (*SYSTEMS, BOTH):
            raise ConfigError(f"--system = {self.system!r}: one of {', '.join((*SYSTEMS, BOTH))}")
        if not 0.1 <= self.ends_per_hour <= 1e8:
            raise ConfigError(f"--ends-per-hour = {self.ends_per_hour:g}: from 0.1 to 100,000,000")
        if self.failing is not None and not 0 <= self.failing <= 1:
            raise ConfigError(f"--failing = {self.failing:g}: from 0 to 1, a part of all ends")
        if not 0.01 <= self.speed <= 1e6:
            raise ConfigError(f"--speed = {self.speed:g}: from 0.01 to 1,000,000")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"--seed = {self.seed}: at least 0")
        if self.token_file is not None and not self.live:
            raise ConfigError("--token-file: goes with --url")

    def seconds(self) -> float:
        """How long the simulated time is; raises `ConfigError`."""
        ways = {"--days": self.days, "--hours": self.hours, "--for": self.duration}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"{', '.join(given)}: give one of them")
        if self.days is not None:
            seconds = self.days * DAY
        elif self.hours is not None:
            seconds = self.hours * HOUR
        elif self.duration is not None:
            seconds = _duration("--for", self.duration)
        elif _STANDARD in self.incidents:
            seconds = STANDARD_DAYS * DAY
        else:
            seconds = HOUR
        if not STEP <= seconds <= 90 * DAY:
            raise ConfigError(f"{''.join(given)}: from {STEP:g} s to 90 days, not {seconds:g} s")
        return seconds

    def begin(self, seconds: float, now: float) -> float:
        """Unix seconds at which the simulated time begins, on a whole second."""
        if self.start == _NOW or (self.start is None and self.live and self.speed == REAL_TIME):
            return float(math.floor(now))
        if self.start is None:
            return _MORNING if self.live else float(math.floor(now - seconds))
        try:
            at = datetime.fromisoformat(self.start)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None or not 0 <= at.timestamp() < 4e9:
            raise ConfigError(
                f"--start = {self.start!r}: now, or RFC 3339 such as 2026-01-05T08:00:00Z"
            )
        return float(math.floor(at.timestamp()))

    def plan(self, seconds: float) -> Plan | str:
        """Names and onsets; those without @OFFSET evenly from the first quarter's end over half the time."""
        if _STANDARD in self.incidents:
            if len(self.incidents) > 1:
                raise ConfigError("--incident standard: give it alone")
            return _STANDARD
        plan = []
        for number, text in enumerate(self.incidents):
            name, at, offset = text.partition("@")
            if name not in KINDS:
                raise ConfigError(f"--incident {text}: one of {', '.join(KINDS)} or standard")
            onset = (0.25 + 0.5 * number / len(self.incidents)) * seconds
            if at:
                onset = _duration(f"--incident {text}", offset)
            if not onset < seconds:
                raise ConfigError(f"--incident {text}: the simulation ends after {seconds:g} s")
            plan.append((name, onset))
        return plan


@dataclass(frozen=True, slots=True)
class Run:
    """What to simulate. `dated` says whether simulated times are true, so that events carry them."""

    systems: tuple[str, ...]
    traffic: Traffic
    seconds: float
    start: float
    incidents: Plan | str
    seed: int
    dated: bool

    def histories(self) -> list[History]:
        """One for each system, with those of the incidents that it has."""
        return [
            simulate(
                system,
                self.traffic,
                self.seconds / DAY,
                self.incidents
                if isinstance(self.incidents, str)
                else [one for one in self.incidents if system in KINDS[one[0]].codes],
                self.seed,
                self.start,
            )
            for system in self.systems
        ]

    @property
    def repeat(self) -> str:
        """The flags that make the same run again, where they were drawn or taken from the clock."""
        return f"--seed {self.seed} --start {rfc3339(self.start)}"


def resolve(options: Options, now: float, draw: Callable[[], int]) -> Run:
    """The run that the flags ask for, with `draw` for a seed. Raises `ConfigError`, option and rule."""
    options.check()
    seconds = options.seconds()
    start = options.begin(seconds, now)
    plan = options.plan(seconds)
    systems = SYSTEMS if options.system == BOTH else (options.system,)
    for name, _ in () if isinstance(plan, str) else plan:
        if not any(system in KINDS[name].codes for system in systems):
            raise ConfigError(f"--incident {name}: {options.system} does not have it")
    return Run(
        systems=systems,
        traffic=_traffic(options),
        seconds=seconds,
        start=start,
        incidents=plan,
        seed=draw() if options.seed is None else options.seed,
        dated=not options.live or (options.speed == REAL_TIME and start == math.floor(now)),
    )


def _traffic(options: Options) -> Traffic:
    if options.openmetrics is not None:
        return Traffic(options.ends_per_hour, failing=options.failing)
    # An exporter that events are posted to has restarts of its own, and its scrapes are Prometheus'.
    return Traffic(
        options.ends_per_hour, failing=options.failing, restarts_per_day=0.0, p_missed_scrape=0.0
    )


def rfc3339(at: float) -> str:
    """A whole second, as `--start` takes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(option: str, text: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)(s|m|h|d)", text)
    if not found:
        raise ConfigError(f"{option}: {text!r} is no duration, such as 90s, 45m, 6h, 2d")
    return float(found[1]) * _UNITS[found[2]]
