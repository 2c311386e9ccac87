"""A group commit: the batches that share one script call per shard, and their verdicts."""

import struct
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Final

from exporter.ledger.contract import (
    ACCEPTED,
    BUCKETS,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    Batch,
    Cell,
    Family,
    Receipt,
    Series,
)
from exporter.ledger.queued import joined, receipts
from exporter.ledger.redis.records import Names, cell_name
from exporter.ledger.repeats import RecentUsers

_EXEMPLARS: Final = 4
"""Newest sessions of a series that a call sends: the newest session may be that of a duplicate."""
_FAILED: Final = 255
"""The verdict on an event of a failed part."""
_SHARD_NUMBER: Final = struct.Struct(f">I{KEY_BYTES - 4}x")
"""The first bytes of a key, which select its shard."""


class ShardPart:
    """The events of a group in one shard; `positions` are their places in the group.

    `series` and `cells` have the numbers that the script call uses, in the order of the first lookup.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.series: dict[Series, int] = defaultdict(count().__next__)
        self.cells: dict[Cell, int] = defaultdict(count().__next__)
        self.positions: list[int] = []
        self.unkeyed: list[int] = []
        self.keys: list[bytes] = []
        self.fingerprints: list[bytes] = []

    def arguments(self, group: "Group", names: Names) -> list[bytes | str | int]:
        """The arguments of `commit.lua` about events."""
        events = self.positions + self.unkeyed
        of = group.events.series
        numbers = [self.series[of[event]] for event in events]
        cells, seconds = self._durations(group, events)
        again = self._repeats(group, events, names)
        return [
            "repeats" if len(set(self.keys)) < len(self.keys) else "",
            b"".join(self.keys),
            b"".join(self.fingerprints),
            struct.pack(f"<{len(numbers)}H", *numbers),
            cells,
            seconds,
            again,
            len(self.series),
            len(self.cells),
            *map(names.of, self.series),
            *map(cell_name, self.cells),
            *_exemplars(group, events, numbers),
        ]

    def _repeats(self, group: "Group", events: Sequence[int], names: Names) -> bytes:
        """The number of the series of repeats of each event that is a repeat."""
        if not any(group.repeats):
            return b""
        of, repeats = group.events.series, group.repeats
        numbers = [
            self.series[names.of_family(of[event], Family.REPEATS)] + 1 if repeats[event] else 0
            for event in events
        ]
        return struct.pack(f"<{len(numbers)}H", *numbers)

    def _durations(self, group: "Group", events: Sequence[int]) -> tuple[bytes, bytes]:
        """Cell and bucket of each event, and its seconds."""
        durations, of = group.events.durations, group.events.series
        if durations is None:
            return b"", b""
        places: list[int] = []
        seconds: list[float] = []
        for event in events:
            duration, series = durations[event], of[event]
            # A recovered interruption ended no session: its duration is not observed.
            if duration is None or series.family is Family.INTERRUPTIONS:
                places += (0, 0)
                seconds.append(0.0)
            else:
                cell = self.cells[series.system, series.outcome] + 1
                places += (cell, bisect_left(BUCKETS, duration))
                seconds.append(duration)
        return struct.pack(f"<{len(places)}H", *places), struct.pack(f"<{len(seconds)}d", *seconds)


class Group:
    """Batches in the order in which `commit` was called, split by shard into `parts`.

    Events without a key go to the shard `spare`, any shard: they are never compared. `recent` decides which
    events are repeats if they are accepted.
    """

    def __init__(
        self, batches: Sequence[Batch], shards: int, spare: int, recent: RecentUsers
    ) -> None:
        self._batches = batches
        self._recent = recent
        self.events = joined(batches)
        self.repeats = recent.repeats(self.events.users) if self.events.users else []
        self._verdicts = bytearray(len(self.events))
        self.parts: dict[int, ShardPart] = {}
        parts = self.parts
        start = 0
        for batch in batches:
            keys = _cut(batch.keys, KEY_BYTES)
            end = start + len(keys)
            # Inlined: a call for each event took longer than all other lines here.
            for position, (number,), key, fingerprint in zip(
                range(start, end),
                _SHARD_NUMBER.iter_unpack(batch.keys),
                keys,
                _cut(batch.fingerprints, FINGERPRINT_BYTES),
                strict=True,
            ):
                part = parts.get(number % shards) or self._part(number % shards)
                part.positions.append(position)
                part.keys.append(key)
                part.fingerprints.append(fingerprint)
            start += len(batch)
            if end < start:
                self._part(spare).unkeyed.extend(range(end, start))

    def judge(self, part: ShardPart, digits: bytes) -> None:
        """Note a part's verdicts: a digit for each key, or no digits when all are new."""
        for position, digit in zip(part.positions, digits, strict=False):
            self._verdicts[position] = digit - ord("0")

    def fail(self, part: ShardPart) -> None:
        """Note that a part failed: it is unknown whether its events are counted."""
        for position in (*part.positions, *part.unkeyed):
            self._verdicts[position] = _FAILED

    def remember_users(self) -> None:
        """Remember the users of the events that were counted."""
        if self.events.users:
            users = zip(self.events.users, self._verdicts, strict=True)
            counted = [user if verdict == ACCEPTED else None for user, verdict in users]
            self._recent.remember(counted, self.repeats)

    def receipts(self) -> list[Receipt | None]:
        """A receipt for each batch; None for a batch with an event in a failed part."""
        return [
            None if _FAILED in (receipt.verdicts or b"") else receipt
            for receipt in receipts(self._batches, bytes(self._verdicts))
        ]

    def _part(self, shard: int) -> ShardPart:
        return self.parts.setdefault(shard, ShardPart(shard))


def _exemplars(group: Group, events: Sequence[int], numbers: Sequence[int]) -> list[bytes | int]:
    """Series, event and session of the newest sessions of each series, newest first."""
    sessions = group.events.sessions
    if sessions is None:
        return []
    exemplars: list[bytes | int] = []
    left: dict[int, int] = {}
    for index in sorted(range(len(events)), key=events.__getitem__, reverse=True):
        session, number = sessions[events[index]], numbers[index]
        if session is not None and left.setdefault(number, _EXEMPLARS) > 0:
            left[number] -= 1
            exemplars += (number, index, session.encode("utf-8", "replace"))
    return exemplars


def _cut(column: bytes, size: int) -> list[bytes]:
    return [column[at : at + size] for at in range(0, len(column), size)]
