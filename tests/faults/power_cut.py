"""Row 3 of the fault table: what a ledger finds on its disk after a power cut.

A VFS records every write, sync and truncation of SQLite, and a subclass those of the commit marker. After a
cut each file has what its last sync made durable, and any of the sectors written since. The test assumes that
the disk is honest about syncs and that directory entries are durable.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import apsw

from exporter.ledger import recovery
from exporter.ledger.files import Claim
from exporter.ledger.recovery import LedgerSettings
from exporter.ledger.sqlite import SqliteLedger
from exporter.ledger.store import Store
from tests.faults.table import Mutant, reached, row
from tests.ledger.batches import batch
from tests.ledger.faulty_disk import BASE, file_name
from tests.ledger.home import value

_SECTOR: Final = 512
"""Bytes that a disk writes as a whole or not at all."""
_SENDERS: Final = 4


Change = tuple[int, bytes | None]
"""A write of bytes at an offset; without bytes, a truncation to that size."""


@dataclass
class Disk:
    """The durable content of each file, and the later changes of it, in order."""

    durable: dict[str, bytearray] = field(default_factory=dict)
    pending: dict[str, list[Change]] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)

    def change(self, file: str, offset: int, data: bytes | None) -> None:
        self.pending.setdefault(file, []).append((offset, data))

    def sync(self, file: str) -> None:
        for change in self.pending.pop(file, ()):
            _apply(self.durable.setdefault(file, bytearray()), *change)

    def delete(self, file: str) -> None:
        self.durable.pop(file, None)
        self.pending.pop(file, None)

    def rename(self, file: str, target: str) -> None:
        self.durable[target] = self.durable.pop(file)
        self.pending[target] = self.pending.pop(file, [])

    def acknowledge(self, *ids: int) -> None:
        self.acknowledged.update(ids)

    def cut(self, rng: random.Random) -> dict[str, bytearray]:
        """The files after a power cut: the durable content, and any part of the pending changes."""
        files = {name: bytearray(content) for name, content in self.durable.items()}
        for name, changes in self.pending.items():
            content = files.setdefault(name, bytearray())
            share = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
            for change in changes:
                for piece in _sectors(*change):
                    if rng.random() < share:
                        _apply(content, *piece)
        return files


def _sectors(offset: int, data: bytes | None) -> Iterator[Change]:
    """The parts of a write that a disk writes one by one."""
    if data is None:
        yield offset, None
        return
    end = offset + len(data)
    while offset < end:
        stop = min(end, (offset // _SECTOR + 1) * _SECTOR)
        yield offset, data[len(data) - end + offset : len(data) - end + stop]
        offset = stop


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


Journal = list[tuple[Callable[..., None], *tuple[Any, ...]]]
"""The methods of `Disk` that repeat what happened, and their arguments."""


class _RecordedFile(apsw.VFSFile):
    def __init__(self, journal: Journal, name: Any, flags: list[int]) -> None:
        super().__init__(BASE, name, flags)
        self._journal, self._name = journal, file_name(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._journal.append((Disk.change, self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self._journal.append((Disk.change, self._name, size, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._journal.append((Disk.sync, self._name))


class _RecordingVFS(apsw.VFS):
    def __init__(self, journal: Journal) -> None:
        super().__init__("recording", BASE, makedefault=True)
        self._journal = journal

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _RecordedFile(self._journal, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._journal.append((Disk.delete, Path(filename).name))


@contextmanager
def _recorded(pragma: str) -> Iterator[Journal]:
    """The journal of all writes by the ledgers of this process, in which `pragma` is set if given."""
    journal: Journal = []
    os_replace = os.replace

    class RecordedClaim(Claim):
        def mark(self, commit: int) -> None:
            super().mark(commit)
            content = Path(f"/proc/self/fd/{self._marker}").read_bytes()
            journal.append((Disk.change, "ledger.marker", 0, content))

    class MutantStore(Store):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            if pragma:
                self._execute(f"PRAGMA {pragma}")

    def replace(source: Path, target: Path) -> None:
        os_replace(source, target)
        journal.append((Disk.rename, source.name, target.name))

    vfs = _RecordingVFS(journal)
    try:
        with (
            patch.object(os, "replace", replace),
            patch.object(recovery, "Claim", RecordedClaim),
            patch.object(recovery, "Store", MutantStore),
        ):
            yield journal
    finally:
        vfs.unregister()


async def _record(folder: Path, ids: int, pragma: str) -> Journal:
    """The journal of a ledger to which senders commit `ids` ids in batches, some batches twice.

    The ledger is closed and opened again half-way.
    """
    rng = random.Random(1)
    with _recorded(pragma) as journal:
        for half in (range(ids // 2), range(ids // 2, ids)):
            ledger = await SqliteLedger.open(LedgerSettings(folder))
            remaining = list(half)

            async def send(ledger: SqliteLedger = ledger, remaining: list[int] = remaining) -> None:
                while remaining:
                    count = rng.choice((1, 5, 50, 200))
                    mine, remaining[:count] = remaining[:count], []
                    await ledger.commit(batch(mine))
                    journal.append((Disk.acknowledge, *mine))
                    if rng.random() < 0.2:
                        await ledger.commit(batch(mine))

            await asyncio.gather(*(send() for _ in range(_SENDERS)))
            await ledger.close()
    return journal


async def _open(folder: Path, acknowledged: set[int], ids: int, losses: Counter[str]) -> None:
    """Add acknowledged ids that are not counted, ids that count twice, and ledgers given up as damaged."""
    ledger = await SqliteLedger.open(LedgerSettings(folder))
    try:
        losses["damaged"] += ledger.status().damaged is not None
        survived = value(ledger)
        for first in range(0, ids, 1000):
            numbers = range(first, first + 1000)
            receipt = await ledger.commit(batch(numbers))
            verdicts = receipt.verdicts or bytes(len(numbers))
            losses["lost"] += sum(
                number in acknowledged and not verdict
                for number, verdict in zip(numbers, verdicts, strict=True)
            )
            survived -= receipt.duplicates
        # An id that survived and is no duplicate now, or is counted without being sent, counts twice.
        losses["doubled"] += abs(survived) + abs(value(ledger) - ids)
    finally:
        await ledger.close()


@row(
    3,
    "power cut",
    "100 cuts, nothing lost or doubled",
    # The code of these mutants is a PRAGMA of the recorded ledger.
    Mutant("sync", "synchronous=OFF", "[1-9][0-9]* lost"),
    Mutant("sync of each commit", "synchronous=NORMAL", "[1-9][0-9]* lost"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    """Cut the power at random places, half of them right after an acknowledgement, and open the ledgers."""

    async def campaign() -> str:
        cuts, ids = (20, 6000) if quick else (100, 100_000)
        journal = await _record(folder / "written", ids, mutant)
        rng = random.Random(2)
        after = [at + 1 for at, step in enumerate(journal) if step[0] is Disk.acknowledge]
        places = rng.sample(after, cuts // 2) + rng.sample(range(len(journal)), cuts - cuts // 2)
        disk, losses, torn, at = Disk(), Counter[str](), 0, 0
        for number, place in enumerate(sorted(places)):
            for happen, *arguments in journal[at:place]:
                happen(disk, *arguments)
            at = place
            data = folder / "cut" / str(number)
            data.mkdir(parents=True)
            for name, content in disk.cut(rng).items():
                (data / name).write_bytes(content)
            torn += any(disk.pending.values())
            await _open(data, disk.acknowledged, ids, losses)
        counts = ", ".join(f"{losses[name]} {name}" for name in ("lost", "doubled", "damaged"))
        figure = f"{cuts} cuts, {torn} with writes on their way: {counts}"
        assert torn > cuts // 2, figure
        return reached(figure, not losses.total())

    return asyncio.run(campaign())
