"""What is written about a series and a histogram in a shard, and what it is called there."""

import json
from dataclasses import dataclass
from typing import Final

from exporter.ledger.contract import BUCKETS, Exemplar

Cell = tuple[str, str]
"""The (system, outcome) of a duration histogram."""

_PLACES: Final = len(BUCKETS) + 2
"""The numbers of a histogram: its sum, and a count for each bucket and for +Inf."""


@dataclass(frozen=True, slots=True)
class Record:
    """A series' part in one shard.

    `mark` is what was shown before a failover took it back, or 0. `first_seen` is in milliseconds of
    the engine's clock, 0 for a series that is known from the start.
    """

    count: int
    mark: int
    created: float
    first_seen: int
    exemplar: Exemplar | None

    @property
    def shown(self) -> int:
        return max(self.count, self.mark)


@dataclass(frozen=True, slots=True)
class Observed:
    """A histogram's part in one shard: its sum in seconds and the counts of its buckets, as shown."""

    created: float
    numbers: tuple[float, ...]


EMPTY: Final = Observed(0.0, (0.0,) * _PLACES)


def read_series(text: bytes) -> Record:
    """A record of `commit.lua`. Raises `ValueError`."""
    count, mark, created, first_seen, rest = text.decode("utf-8", "replace").split(" ", 4)
    at, _, session = rest.partition(" ")
    exemplar = None if at == "-" else Exemplar(session, float(at))
    return Record(int(count), int(mark), float(created), int(first_seen), exemplar)


def read_cell(text: bytes) -> Observed:
    """A record of `commit.lua`. Raises `ValueError`."""
    head, _, tail = text.decode().partition("|")
    created, *numbers = map(float, head.split())
    marks = list(map(float, tail.split())) or [0.0] * _PLACES
    return Observed(created, tuple(map(max, zip(numbers, marks, strict=True))))


def cell_name(cell: Cell) -> bytes:
    return json.dumps(cell).encode()


def named_cell(name: bytes) -> Cell:
    system, outcome = json.loads(name)
    return system, outcome
