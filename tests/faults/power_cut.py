"""Row 3 of the fault table: what a ledger finds on its disk after the power went.

Every write, sync and truncation that SQLite makes goes through a VFS that notes it, and so does the
marker. After a cut each file is what its last sync made durable, and of what was written since any sectors
may be there and others not. Does not test the disk's own honesty about syncs, nor directory entries, which
are taken to be durable.
"""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

from exporter.ledger import recovery
from exporter.ledger.marker import CommitMarker
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from tests.faults.table import Row, reached
from tests.ledger.batches import batch
from tests.ledger.shown import value

SECTOR = 512
"""Bytes that a disk writes as a whole or not at all."""
SENDERS = 4
_BASE = apsw.vfs_names()[0]


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written to a file at `offset`."""

    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was written to a file before is durable."""

    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Rename:
    file: str
    to: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The ledger said that these ids are counted."""

    ids: tuple[int, ...]


Step = Write | Truncate | Sync | Delete | Rename | Acknowledge
Journal = list[Step]
Image = dict[str, bytes]
"""The content of each file of a folder."""


# --- noting what is written -----------------------------------------------------------------------


class _NotedFile(apsw.VFSFile):
    def __init__(self, journal: Journal, name: Any, flags: list[int]) -> None:
        super().__init__(_BASE, name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._journal, self._name = journal, Path(path or "temporary").name

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._journal.append(Write(self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._journal.append(Truncate(self._name, size))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._journal.append(Sync(self._name))


class _NotingVFS(apsw.VFS):
    def __init__(self, journal: Journal) -> None:
        super().__init__("noting", _BASE, makedefault=True)
        self._journal = journal

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _NotedFile(self._journal, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._journal.append(Delete(Path(filename).name))


@contextmanager
def noted() -> Iterator[Journal]:
    """The journal of all that ledgers of this process write while the block runs."""
    journal: Journal = []

    class NotedMarker(CommitMarker):
        def write(self, commit: int) -> None:
            super().write(commit)
            content = Path(f"/proc/self/fd/{self._file}").read_bytes()
            journal.append(Write("ledger.marker", 0, content))

    def replace(source: Path, target: Path) -> None:
        replaced(source, target)
        journal.append(Rename(source.name, target.name))

    made, replaced = recovery.CommitMarker, os.replace
    os.replace = replace  # type: ignore[assignment]
    recovery.CommitMarker = NotedMarker  # type: ignore[attr-defined, misc]
    vfs = _NotingVFS(journal)
    try:
        yield journal
    finally:
        vfs.unregister()
        os.replace = replaced
        recovery.CommitMarker = made  # type: ignore[attr-defined, misc]


async def write_down(folder: Path, ids: int, seed: int) -> Journal:
    """What a ledger writes while senders have `ids` ids counted, in batches, some of them twice; it is
    closed and opened again half-way."""
    chance = random.Random(seed)
    with noted() as journal:
        for half in (range(ids // 2), range(ids // 2, ids)):
            ledger = await SqliteLedger.open(Plan(folder))
            remaining = list(half)

            async def send(ledger: SqliteLedger = ledger, remaining: list[int] = remaining) -> None:
                while remaining:
                    count = chance.choice((1, 5, 50, 200))
                    mine, remaining[:count] = remaining[:count], []
                    await ledger.commit(batch(mine))
                    journal.append(Acknowledge(tuple(mine)))
                    if chance.random() < 0.2:
                        await ledger.commit(batch(mine))

            await asyncio.gather(*(send() for _ in range(SENDERS)))
            await ledger.close()
    return journal


# --- cutting the power ----------------------------------------------------------------------------


@dataclass
class Disk:
    """`durable` content of each file, and what was written to it since, in order."""

    durable: Image = field(default_factory=dict)
    pending: dict[str, list[Write | Truncate]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)

    def take(self, step: Step) -> None:
        if isinstance(step, Acknowledge):
            self.acknowledged.update(step.ids)
        elif isinstance(step, Sync):
            content = bytearray(self.durable.get(step.file, b""))
            for change in self.pending.pop(step.file, ()):
                _apply(content, change)
            self.durable[step.file] = bytes(content)
        elif isinstance(step, Delete):
            self.durable.pop(step.file, None)
            self.pending.pop(step.file, None)
        elif isinstance(step, Rename):
            self.durable[step.to] = self.durable.pop(step.file)
            self.pending[step.to] = self.pending.pop(step.file, [])
        else:
            self.pending.setdefault(step.file, []).append(step)

    def cut(self, chance: random.Random) -> Image:
        """The files after a power cut: any part of what is pending is there as well."""
        image = {name: bytearray(content) for name, content in self.durable.items()}
        for name, changes in self.pending.items():
            content = image.setdefault(name, bytearray())
            share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
            for change in changes:
                for piece in _torn(change):
                    if chance.random() < share:
                        _apply(content, piece)
        return {name: bytes(content) for name, content in image.items()}


def _torn(change: Write | Truncate) -> Iterator[Write | Truncate]:
    if isinstance(change, Truncate):
        yield change
        return
    at, end = change.offset, change.offset + len(change.data)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        yield Write(change.file, at, change.data[at - change.offset : upto - change.offset])
        at = upto


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
    else:
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data


@dataclass
class Outcome:
    """Of that many `cuts`: those that left writes behind which no sync had made durable, and the ids
    that were `lost` (acknowledged and not counted) and `doubled`, and ledgers given up as `damaged`."""

    cuts: int = 0
    torn: int = 0
    lost: int = 0
    doubled: int = 0
    damaged: int = 0


async def cut_power(folder: Path, journal: Sequence[Step], cuts: int, seed: int) -> Outcome:
    """Cut at `cuts` places, half of them right after an acknowledgement, and see what opens."""
    chance = random.Random(seed)
    after = [at + 1 for at, step in enumerate(journal) if isinstance(step, Acknowledge)]
    places = chance.sample(after, cuts // 2) + chance.sample(range(len(journal)), cuts - cuts // 2)
    ids = sorted({one for step in journal if isinstance(step, Acknowledge) for one in step.ids})
    disk, outcome, at = Disk(), Outcome(), 0
    for number, place in enumerate(sorted(places)):
        for step in journal[at:place]:
            disk.take(step)
        at = place
        found = folder / str(number)
        found.mkdir(parents=True)
        for name, content in disk.cut(chance).items():
            (found / name).write_bytes(content)
        outcome.cuts += 1
        outcome.torn += any(disk.pending.values())
        await _open(found, disk.acknowledged, ids, outcome)
    return outcome


async def _open(folder: Path, acknowledged: set[int], ids: list[int], outcome: Outcome) -> None:
    ledger = await SqliteLedger.open(Plan(folder))
    try:
        outcome.damaged += ledger.status().damaged is not None
        survived = value(ledger)
        for first in range(0, len(ids), 1000):
            some = ids[first : first + 1000]
            receipt = await ledger.commit(batch(some))
            known = receipt.verdicts or bytes(len(some))
            outcome.lost += sum(
                one in acknowledged and not verdict
                for one, verdict in zip(some, known, strict=True)
            )
            survived -= receipt.duplicates
        # What was there and is no duplicate now, or is counted without being sent, is counted twice.
        outcome.doubled += abs(survived) + abs(value(ledger) - len(ids))
    finally:
        await ledger.close()


def _run(folder: Path, quick: bool) -> str:
    async def campaign() -> str:
        journal = await write_down(folder / "writing", 6000 if quick else 100_000, seed=1)
        found = await cut_power(folder / "cut", journal, 20 if quick else 100, seed=2)
        figure = (
            f"{found.cuts} cuts, {found.torn} with writes on their way: {found.lost} lost, "
            f"{found.doubled} doubled, {found.damaged} damaged"
        )
        return reached(figure, not (found.lost or found.doubled or found.damaged))

    return asyncio.run(campaign())


ROW: Final = Row(3, "power cut", "100 cuts, nothing lost or doubled", _run)
