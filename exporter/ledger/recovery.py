"""Opening a ledger from the disk: lock, verify, read back, or move aside and start a new one."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apsw
import structlog

from exporter.errors import LedgerError, LedgerInUse
from exporter.ledger.book import Book, Cell, Changes
from exporter.ledger.contract import KEY_BYTES, PRINT_BYTES, Series, Total
from exporter.ledger.damage import Damaged, Witness, move_aside
from exporter.ledger.segments import Segments
from exporter.ledger.store import Meta, Store
from exporter.ledger.window import Window, words

log = structlog.get_logger("ledger")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ledger is opened with.

    `zero` and `zero_durations` are the series that are present from the first scrape; `ids` and `age`
    (seconds) bound the deduplication window, `slack` is the largest group commit in events.
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

    `moved_to` names the damaged file that this very open found and moved aside.
    """

    store: Store
    witness: Witness
    lock: int
    meta: Meta
    book: Book
    window: Window
    segments: Segments
    moved_to: Path | None = None

    def close(self) -> None:
        self.store.close()
        self.witness.close()
        os.close(self.lock)


def open_ledger(plan: Plan) -> Opened:
    """Open the ledger in `plan.folder`, creating it when there is none.

    Raises `LedgerInUse` when another process has it and `LedgerError` when the folder can't be used. A
    damaged one is moved aside and a new one started, which `meta.damaged` tells from then on.
    """
    path = plan.folder / "ledger.db"
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(plan.folder / "ledger.lock")
    except OSError as error:
        raise LedgerError(f"data_dir {plan.folder}: {error.strerror}") from None
    try:
        witness = Witness(plan.folder / "ledger.witness")
        try:
            return _read(path, plan, witness, lock, Meta(ledger=secrets.token_hex(4)))
        except (Damaged, apsw.NotADBError, apsw.CorruptError, apsw.SchemaChangeError) as found:
            now = plan.wall()
            aside = move_aside(path, now)
            log.error("ledger_damaged", found=str(found), moved_to=str(aside))
            witness.write(0)
            meta = Meta(ledger=secrets.token_hex(4), damaged=str(aside), damaged_at=now)
            return replace(_read(path, plan, witness, lock, meta), moved_to=aside)
    except apsw.FullError:
        os.close(lock)
        raise LedgerError(f"the disk of data_dir {plan.folder} is full") from None
    except (apsw.Error, OSError) as error:
        os.close(lock)
        raise LedgerError(f"data_dir {plan.folder}: {error}") from None
    except LedgerError:
        os.close(lock)
        raise


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


def _read(path: Path, plan: Plan, witness: Witness, lock: int, fresh: Meta) -> Opened:
    acknowledged = witness.read()
    if acknowledged and not path.exists():
        raise Damaged(f"{path} is gone, but commit {acknowledged} was acknowledged")
    store = Store(path)
    try:
        _empty_wal(store)
        if store.is_new():
            if acknowledged:
                raise Damaged(f"{path} is empty, but commit {acknowledged} was acknowledged")
            store.create(fresh)
        store.check()
        meta = store.meta()
        if meta.commit < acknowledged:
            raise Damaged(
                f"{path} ends at commit {meta.commit}, but commit {acknowledged} was acknowledged"
            )
        book = _book(store, plan)
        window, segments = _window(store, plan)
    except apsw.SQLError as error:
        store.close()
        raise Damaged(str(error)) from None
    except BaseException:
        store.close()
        raise
    return Opened(store, witness, lock, meta, book, window, segments)


def _empty_wal(store: Store) -> None:
    """After a failed fsync only this tells what the last transaction came to: it is on the disk, or gone."""
    try:
        store.checkpoint()
    except apsw.FullError:
        # The WAL is readable all the same; the writer goes on trying.
        log.warning("ledger_disk_full", at="start")


def _book(store: Store, plan: Plan) -> Book:
    book = Book()
    stored = store.series(plan.label_names)
    merged: dict[tuple[str, ...], Total] = {}
    for total in stored:
        same = merged.get(total.series.key)
        merged[total.series.key] = total if same is None else _sum(same, total)
    if len(merged) < len(stored):
        # A configured label was taken away: series that differed in it only are one from now on.
        store.replace_series(merged.values(), plan.label_names)
    book.publish(Changes(list(merged.values()), store.durations()))
    return book


def _sum(one: Total, other: Total) -> Total:
    return replace(
        one,
        value=one.value + other.value,
        created=min(one.created, other.created),
        held=one.held and other.held,
        exemplar=max(
            (total.exemplar for total in (one, other) if total.exemplar),
            key=lambda exemplar: exemplar.at,
            default=None,
        ),
    )


def _window(store: Store, plan: Plan) -> tuple[Window, Segments]:
    window = Window(plan.ids, plan.slack)
    segments = Segments(plan.ids, plan.age)
    for ids in store.ids():
        if ids.count > window.size:
            # Written under settings with far larger requests: remembering part of a commit would be
            # a promise half kept, and the bound is the operator's.
            log.warning("dedup_window_too_small", commit=ids.number, ids=ids.count)
            continue
        room = window.size - len(window)
        while ids.count > room:
            # The window was made smaller in the settings: the oldest commits are forgotten.
            room += segments.drop_oldest(window)
        window.add(words(ids.keys, KEY_BYTES), words(ids.prints, PRINT_BYTES))
        segments.append(ids.number, ids.count, ids.age)
    return window, segments
