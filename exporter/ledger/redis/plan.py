"""What a shared ledger is joined with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import ConfigError
from exporter.ledger.contract import Series
from exporter.ledger.redis.address import Address
from exporter.ledger.redis.records import Cell


def _nothing(_: tuple[str, ...]) -> None:
    """For callers that don't watch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`zero` and `zero_durations` are the series that are present from the first scrape; `age` is how
    long an id is remembered, `first_seen_delay` how long a new series is shown as 0, `timeout` the
    deadline of a round trip, `patience` how long a start waits for the engine, all in seconds; `wait` is
    that of `Engine`. `clock`, in seconds, stands in for the engine's own. `on_labels` gets the label
    values of each series that is found, whichever replica brought it.
    """

    address: Address
    label_names: tuple[str, ...] = ()
    zero: Sequence[Series] = ()
    zero_durations: Sequence[Cell] = ()
    shards: int = 16
    age: float = 86400.0
    first_seen_delay: float = 75.0
    timeout: float = 1.0
    patience: float = 10.0
    wait: int | None = None
    password_file: Path | None = None
    wall: Callable[[], float] = time.time
    clock: Callable[[], float] | None = None
    on_labels: Callable[[tuple[str, ...]], None] = _nothing

    def password(self) -> str | None:
        """What the password's file says now. Raises `ConfigError`."""
        return read_password(self.password_file) if self.password_file else None

    def clock_argument(self) -> bytes:
        """The first argument of most scripts: empty, unless there is a clock that stands in."""
        return b"" if self.clock is None else b"%d" % round(self.clock() * 1000)


def read_password(path: Path) -> str:
    """The one line of a file. Raises `ConfigError`, which never says what is in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    password = text.rstrip("\r\n")
    if not password or "\n" in password:
        raise ConfigError(f"{path}: a password is one line")
    return password
