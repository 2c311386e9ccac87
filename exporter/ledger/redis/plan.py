"""The settings of a shared ledger."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter import secret_file
from exporter.ledger.contract import Cell, Series
from exporter.settings.ledger_address import Address


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings that a shared ledger is opened with; times in seconds.

    `zero` and `zero_durations` exist from the first scrape. An id is remembered for `age`. `timeout` is
    the deadline of a round trip, `start_timeout` is how long a start waits for Redis. `wait` is None, the
    number of Redis replicas that must have a write, or 0 for the append-only file. `clock` replaces Redis'
    clock. `on_labels` gets the label values of each series, also of series that another exporter adds.
    """

    address: Address
    label_names: tuple[str, ...] = ()
    zero: Sequence[Series] = ()
    zero_durations: Sequence[Cell] = ()
    shards: int = 16
    age: float = 86400.0
    first_seen_delay: float = 75.0
    timeout: float = 1.0
    start_timeout: float = 10.0
    wait: int | None = None
    password_file: Path | None = None
    wall: Callable[[], float] = time.time
    clock: Callable[[], float] | None = None
    on_labels: Callable[[tuple[str, ...]], None] = lambda _: None

    def password(self) -> str | None:
        """Read the password's file. Raises `ConfigError`."""
        return secret_file.password(self.password_file) if self.password_file else None

    def clock_argument(self) -> bytes:
        """Milliseconds of `clock` for a script; empty for Redis' own clock."""
        return b"" if self.clock is None else b"%d" % round(self.clock() * 1000)
