"""One group commit: the batches that share a tick, as one script call a shard, and their verdicts."""

import struct
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

from exporter.ledger.contract import (
    BUCKETS,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    Batch,
    Family,
    Receipt,
    Series,
)
from exporter.ledger.redis.engine import Call
from exporter.ledger.redis.names import Names
from exporter.ledger.redis.scripts import COMMIT

COMMIT_KEYS: Final = ("series", "durations", "commit")
_EXEMPLARS: Final = 4
"""Sessions of a series that a call takes along, newest first: the newest may be a retry's."""
_NO_DURATION: Final = (0, 0, 0.0)
_NUMBER: Final = struct.Struct(f">I{KEY_BYTES - 4}x")
"""The first bytes of a key, which say its shard."""


class _Numbers(dict[Any, int]):
    """Numbers from 0 on, in the order in which they are asked for."""

    def __missing__(self, one: Any) -> int:
        self[one] = number = len(self)
        return number


class Part:
    """A group's events in one shard: those with a key first, each kind in the order of the calls."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.series = _Numbers()
        self.cells = _Numbers()
        self.positions: list[int] = []
        self.unkeyed: list[int] = []
        self.keys: list[bytes] = []
        self.fingerprints: list[bytes] = []

    def call(
        self,
        columns: "_Columns",
        names: Names,
        *,
        clock: bytes,
        expiry: int,
        created: float,
        commit: str,
        always: bool,
    ) -> Call:
        """The script call; arguments as `commit.lua` wants them."""
        events = self.positions + self.unkeyed
        series = [columns.series[position] for position in events]
        numbers = [self.series[one] for one in series]
        cells, seconds = self._durations(columns, events, series)
        exemplars = self._exemplars(columns, events, numbers)
        arguments: list[bytes | str | int | float] = [
            clock,
            expiry,
            repr(created),
            commit,
            "repeats" if len(set(self.keys)) < len(self.keys) else "",
            "always" if always else "",
            b"".join(self.keys),
            b"".join(self.fingerprints),
            struct.pack(f"<{len(numbers)}H", *numbers),
            cells,
            seconds,
            len(self.series),
            len(self.cells),
            *map(names.of, self.series),
            *map(names.of_cell, self.cells),
            *exemplars,
        ]
        return Call(self.shard, COMMIT, COMMIT_KEYS, arguments)

    def _durations(
        self, columns: "_Columns", events: Sequence[int], series: Sequence[Series]
    ) -> tuple[bytes, bytes]:
        """Cell and bucket of each event, and its seconds."""
        if columns.durations is None:
            return b"", b""
        rows = []
        for position, one in zip(events, series, strict=True):
            taken = columns.durations[position]
            # A recovered interruption ended no session: its duration belongs to none.
            if taken is None or one.family is Family.INTERRUPTIONS:
                rows.append(_NO_DURATION)
            else:
                cell = self.cells[(one.system, one.outcome)] + 1
                rows.append((cell, bisect_left(BUCKETS, taken), taken))
        if not self.cells:
            return b"", b""
        places = [number for cell, bucket, _ in rows for number in (cell, bucket)]
        return (
            struct.pack(f"<{len(places)}H", *places),
            struct.pack(f"<{len(rows)}d", *(taken for _, _, taken in rows)),
        )

    def _exemplars(
        self, columns: "_Columns", events: Sequence[int], numbers: Sequence[int]
    ) -> list[bytes | int]:
        """Series, event and session, the newest of each series first."""
        if columns.sessions is None:
            return []
        found: list[bytes | int] = []
        left: dict[int, int] = {}
        for index in sorted(range(len(events)), key=events.__getitem__, reverse=True):
            session, number = columns.sessions[events[index]], numbers[index]
            if session is None or left.setdefault(number, _EXEMPLARS) == 0:
                continue
            left[number] -= 1
            found += (number, index, session.encode("utf-8", "replace"))
        return found


class _Columns:
    """The batches' events one after the other."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.series = [one for batch in batches for one in batch.series]
        self.durations = _joined(batches, "durations")
        self.sessions = _joined(batches, "sessions")


class Group:
    """Batches in the order in which `commit` was called, by shard.

    Events without a key go to the shard `spare`, any one: nothing tells two of them apart.
    """

    def __init__(self, batches: Sequence[Batch], shards: int, spare: int) -> None:
        self._batches = batches
        self.columns = _Columns(batches)
        self._parts: dict[int, Part] = {}
        parts = self._parts
        self._verdicts = bytearray(len(self.columns.series))
        self._failed: set[int] = set()
        start = 0
        for batch in batches:
            keys, fingerprints = (
                _cut(batch.keys, KEY_BYTES),
                _cut(batch.fingerprints, FINGERPRINT_BYTES),
            )
            keyed = len(keys)
            positions = range(start, start + keyed)
            # A loop of these few lines, because a call for each event took longer than all the rest here.
            for position, (number,), key, fingerprint in zip(
                positions, _NUMBER.iter_unpack(batch.keys), keys, fingerprints, strict=True
            ):
                part = parts.get(number % shards) or self._part(number % shards)
                part.positions.append(position)
                part.keys.append(key)
                part.fingerprints.append(fingerprint)
            if keyed < len(batch):
                self._part(spare).unkeyed.extend(range(start + keyed, start + len(batch)))
            start += len(batch)

    @property
    def events(self) -> int:
        return len(self._verdicts)

    @property
    def parts(self) -> list[Part]:
        return list(self._parts.values())

    def judged(self, part: Part, digits: bytes) -> None:
        """Note a part's verdicts: a digit for each key, or none when all are new."""
        for position, digit in zip(part.positions, digits, strict=False):
            self._verdicts[position] = digit - ord("0")

    def failed(self, part: Part) -> None:
        """Note that a part's events may not be counted."""
        self._failed.update(part.positions, part.unkeyed)

    def receipts(self) -> list[Receipt | None]:
        """One a batch, in order; None for one that had an event in a part that failed."""
        receipts: list[Receipt | None] = []
        start = 0
        for batch in self._batches:
            end = start + len(batch)
            if self._failed and not self._failed.isdisjoint(range(start, end)):
                receipts.append(None)
            else:
                own = bytes(self._verdicts[start:end])
                receipts.append(Receipt(len(batch), own if any(own) else None))
            start = end
        return receipts

    def _part(self, shard: int) -> Part:
        part = self._parts.get(shard)
        if part is None:
            part = self._parts[shard] = Part(shard)
        return part


def _cut(column: bytes, size: int) -> list[bytes]:
    return [column[at : at + size] for at in range(0, len(column), size)]


def _joined(batches: Sequence[Batch], name: str) -> list[Any] | None:
    columns = [getattr(batch, name) for batch in batches]
    if all(column is None for column in columns):
        return None
    return [
        value
        for batch, column in zip(batches, columns, strict=True)
        for value in (column or [None] * len(batch))
    ]
