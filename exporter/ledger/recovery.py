"""Opening a ledger from the disk: lock, verify, read back, or move aside and start a new one."""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import apsw
import msgspec

from exporter.errors import LedgerError, LedgerInUse
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Series, Total
from exporter.ledger.creation import create, remove_leftovers, sync_names
from exporter.ledger.damage import Damaged, move_aside, says_damage
from exporter.ledger.identity import OpenFiles
from exporter.ledger.marker import CommitMarker
from exporter.ledger.segments import Segments
from exporter.ledger.store import Ids, Meta, Store
from exporter.ledger.totals import Cell, Changes, RunningTotals
from exporter.ledger.window import Window, words
from exporter.logs import Log

log = Log("exporter.ledger")

_CHUNK: Final = 8192
"""Ids that go into the window at a time at start: one by one, 15,625 commits of 64 ids took 1.2 s."""
_ROOM: Final = 1024**2
"""Bytes that a disk has free again after it was full: a large group commit, generously."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ledger is opened with.

    `zero` and `zero_durations` are the series that are present from the first scrape; `ids` and `age`
    (seconds) bound the deduplication window, `slack` is the largest group commit in events, beyond
    which the id bound is not kept.
    """

    folder: Path
    label_names: tuple[str, ...] = ()
    zero: Sequence[Series] = ()
    zero_durations: Sequence[Cell] = ()
    ids: int = 1_000_000
    age: float = 86400.0
    slack: int = 16_384
    wall: Callable[[], float] = time.time


@dataclass(slots=True)
class Opened:
    """A ledger read back: everything that its writer goes on with.

    A receipt is given only while the paths of `files` lead to the open files. `moved_to` names the damaged
    file that this very open found and moved aside.
    """

    store: Store
    marker: CommitMarker
    lock: int
    meta: Meta
    totals: RunningTotals
    window: Window
    segments: Segments
    files: OpenFiles
    moved_to: Path | None = None

    def has_room(self) -> bool:
        """Whether the disk takes more than a page or two.

        A small transaction fits where a larger one just failed, into the same place of the WAL: taken
        for recovery, it made readiness flap once a second on a full disk.
        """
        try:
            os.posix_fallocate(self.lock, 0, _ROOM)
        except OSError as error:
            return error.errno not in {errno.ENOSPC, errno.EDQUOT}
        finally:
            os.ftruncate(self.lock, 0)
        return True

    def close(self) -> None:
        """Release the file, then the lock, so that the next process finds both free."""
        with ExitStack() as closing:
            closing.callback(os.close, self.lock)
            closing.callback(self.marker.close)
            closing.callback(self.store.close)


def open_ledger(plan: Plan) -> Opened:
    """Open the ledger in `plan.folder`, creating it when there is none.

    Raises `LedgerInUse` when another process has it and `LedgerError` when the folder can't be used. A
    damaged one is moved aside and a new one started, which `meta.damaged` tells from then on.
    """
    with ExitStack() as undo:
        try:
            if plan.folder.exists() and not plan.folder.is_dir():
                raise LedgerError(f"data_dir {plan.folder} is not a directory")
            plan.folder.mkdir(parents=True, exist_ok=True)
            lock = _lock(plan.folder / "ledger.lock")
            undo.callback(os.close, lock)
            marker = CommitMarker(plan.folder / "ledger.marker")
            undo.callback(marker.close)
            remove_leftovers(plan.folder / "ledger.db")
            opened = _sound_or_new(plan, marker, lock)
        except apsw.FullError:
            raise LedgerError(f"the disk of data_dir {plan.folder} is full") from None
        except OSError as error:
            raise LedgerError(f"data_dir {plan.folder}: {error.strerror}") from None
        except apsw.Error as error:
            raise LedgerError(f"data_dir {plan.folder}: {error}") from None
        undo.pop_all()
        return opened


def _lock(path: Path) -> int:
    """SQLite's own lock comes too late: a second process must not even look for damage."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise LedgerInUse(
            f"the ledger in {path.parent} is in use by another process: two exporters need two "
            "data_dirs"
        ) from None
    return lock


def _sound_or_new(plan: Plan, marker: CommitMarker, lock: int) -> Opened:
    path = plan.folder / "ledger.db"
    fresh = Meta(ledger=secrets.token_hex(4))
    try:
        return _read(path, plan, marker, lock, fresh, marker.read())
    except Damaged as found:
        now = plan.wall()
        aside = move_aside(path, now)
        log.error("ledger_damaged", found=str(found), moved_to=str(aside))
        fresh = msgspec.structs.replace(fresh, damaged=str(aside), damaged_at=now)
        opened = replace(_read(path, plan, marker, lock, fresh, 0), moved_to=aside)
        # Only now: a process that ended before would have left a start from zero that nobody sees.
        marker.write(0)
        return opened


def _read(
    path: Path, plan: Plan, marker: CommitMarker, lock: int, fresh: Meta, acknowledged: int
) -> Opened:
    # Before SQLite sees it: beside an empty database it deletes the WAL.
    if not _size(path):
        wal = path.with_name(f"{path.name}-wal")
        gone = f"{path} is {'empty' if path.exists() else 'gone'}"
        if acknowledged:
            raise Damaged(f"{gone}, but commit {acknowledged} was acknowledged")
        if _size(wal):
            raise Damaged(f"{gone}, but {wal} is there")
        create(path, fresh)
    with ExitStack() as undo:
        try:
            store = Store(path)
            undo.callback(store.abandon)
            store.check()
            meta = store.meta()
            if meta.commit < acknowledged:
                raise Damaged(
                    f"{path} ends at commit {meta.commit}, but commit {acknowledged} was acknowledged"
                )
            totals, outdated = _totals(store, plan)
            window, segments = _window(store, plan)
            # Nothing was written until here: what is moved aside is what was found.
            _empty_wal(store)
            if outdated:
                store.replace_series(totals.series(), plan.label_names)
            sync_names(plan.folder)
            names = (path.name, f"{path.name}-wal", "ledger.lock", "ledger.marker")
            files = OpenFiles([plan.folder / name for name in names])
        except apsw.Error as error:
            if says_damage(error, path):
                raise Damaged(f"{type(error).__name__}: {error}") from None
            raise
        except UnicodeDecodeError as error:
            raise Damaged(f"text that is no UTF-8: {error}") from None
        undo.pop_all()
    return Opened(store, marker, lock, meta, totals, window, segments, files)


def _size(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    return path.stat().st_size if path.exists() else 0


def _empty_wal(store: Store) -> None:
    """After a failed fsync only this tells what the last transaction came to: when it returns, what was
    read is on the disk."""
    try:
        store.checkpoint()
    except apsw.FullError:
        # The WAL is readable all the same; the writer goes on trying.
        log.warning("ledger_disk_full", at="start")


def _totals(store: Store, plan: Plan) -> tuple[RunningTotals, bool]:
    """The totals, and whether they are stored under names that are no longer theirs.

    Left under its old name, a series whose label was taken out of the settings would be counted again
    beside the new one at the next start.
    """
    totals = RunningTotals()
    stored = store.series(plan.label_names)
    merged: dict[tuple[str, ...], Total] = {}
    for total in stored.values():
        same = merged.get(total.series.key)
        merged[total.series.key] = total if same is None else _sum(same, total)
    totals.publish(Changes(list(merged.values()), store.durations()))
    return totals, any(
        store.name(total.series, plan.label_names) != name for name, total in stored.items()
    )


def _sum(one: Total, other: Total) -> Total:
    return replace(
        one,
        value=one.value + other.value,
        created=min(one.created, other.created),
        delayed=one.delayed and other.delayed,
        exemplar=max(
            (total.exemplar for total in (one, other) if total.exemplar),
            key=lambda exemplar: exemplar.at,
            default=None,
        ),
    )


def _window(store: Store, plan: Plan) -> tuple[Window, Segments]:
    window = Window(plan.ids, plan.slack)
    segments = Segments(plan.ids, plan.age, window.size)
    gathered: list[Ids] = []
    count = 0
    for ids in store.ids():
        if ids.count > window.size:
            # Written under settings with far larger requests: remembering part of a commit would be
            # a promise half kept, and the bound is the operator's.
            log.warning("dedup_window_too_small", commit=ids.number, ids=ids.count)
            continue
        if count + ids.count > min(_CHUNK, window.size):
            _remember(gathered, count, window, segments)
            gathered, count = [], 0
        gathered.append(ids)
        count += ids.count
    _remember(gathered, count, window, segments)
    return window, segments


def _remember(gathered: Sequence[Ids], count: int, window: Window, segments: Segments) -> None:
    room = window.size - len(window)
    while count > room:
        # The window was made smaller in the settings: the oldest commits are forgotten.
        room += segments.drop_oldest(window)
    keys = b"".join([ids.keys for ids in gathered])
    fingerprints = b"".join([ids.fingerprints for ids in gathered])
    window.add(words(keys, KEY_BYTES), words(fingerprints, FINGERPRINT_BYTES))
    for ids in gathered:
        segments.append(ids.number, ids.count, ids.age)
