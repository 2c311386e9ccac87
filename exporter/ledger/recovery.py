"""Opens a ledger: lock the folder, verify and read the file, or move it aside and start a new one."""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import apsw
import msgspec

from exporter.errors import LedgerError
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES, Cell, Series, Total
from exporter.ledger.files import Claim, OpenFiles, read_marker, sync
from exporter.ledger.store import Damaged, Ids, Meta, Store
from exporter.ledger.totals import Changes, RunningTotals
from exporter.ledger.window import Segment, Segments, Window, words
from exporter.logs import Log

log = Log("exporter.ledger")

_SUFFIXES: Final = ("", "-journal", "-wal", "-shm")
"""Endings of the names of a database's files."""
_NOT_DAMAGE: Final = (
    *(apsw.FullError, apsw.CantOpenError, apsw.BusyError, apsw.LockedError),
    *(apsw.PermissionsError, apsw.AuthError),
)
"""Errors of the disk, of rights and of other processes: the file may be undamaged and stays in place."""
_UNFINISHED: Final = "ledger.db.new"
_CHUNK: Final = 8192
"""Ids that a start adds to the window at a time. Row by row, 15,625 rows of 64 ids took 1.2 s."""


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """The folder of a ledger, and the settings that it is opened with.

    The series of `zero` and `zero_durations` exist from the first scrape. `ids` and `age` (seconds) bound
    the deduplication window; a group commit has at most `slack` events. `first_seen_delay` (seconds) is the
    time that a new series is exported as 0.
    """

    folder: Path
    label_names: tuple[str, ...] = ()
    zero: Sequence[Series] = ()
    zero_durations: Sequence[Cell] = ()
    ids: int = 1_000_000
    age: float = 86400.0
    slack: int = 16_384
    first_seen_delay: float = 75.0
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(slots=True)
class Opened:
    """A ledger that was read.

    `last_ids` is the last row of the window. `moved_to` is the damaged file that this start moved aside.
    """

    store: Store
    claim: Claim
    meta: Meta
    totals: RunningTotals
    window: Window
    segments: Segments
    last_ids: Ids | None
    files: OpenFiles
    moved_to: Path | None = None

    def close(self) -> None:
        """Close the database before the lock: the next process then finds both free."""
        with closing(self.claim):
            self.store.close()


def open_ledger(settings: LedgerSettings) -> Opened:
    """Open the ledger in `settings.folder`, or create it; a damaged ledger is moved aside first.

    Raises `LedgerError` when the folder cannot be used, or another process uses it.
    """
    folder = settings.folder
    with ExitStack() as undo:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            claim = Claim(folder)
            undo.callback(claim.close)
            for suffix in _SUFFIXES:
                (folder / f"{_UNFINISHED}{suffix}").unlink(missing_ok=True)
                if (file := folder / f"ledger.db{suffix}").exists():
                    # SQLite reports a file that it can't write as an I/O error.
                    os.close(os.open(file, os.O_RDWR))
            opened = _read_or_replace(settings, claim)
        except apsw.FullError:
            raise LedgerError(f"the disk of data_dir {folder} is full") from None
        except PermissionError as error:
            raise LedgerError(
                f"data_dir {folder}: {error}: it and its files must belong to user {os.geteuid()} "
                "(chown -R), with mode 700 and 600"
            ) from None
        except (OSError, apsw.Error) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise LedgerError(f"data_dir {folder}: {reason}") from None
        undo.pop_all()
        return opened


def _read_or_replace(settings: LedgerSettings, claim: Claim) -> Opened:
    new, database = Meta(ledger=secrets.token_hex(4)), settings.folder / "ledger.db"
    acknowledged = read_marker(settings.folder / "ledger.marker")
    try:
        with suppress(Damaged):
            return _read(settings, claim, new, acknowledged)
        # SQLite reports some read errors as damage. A disk that still fails raises `OSError` here.
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError), open(f"{database}{suffix}", "rb") as file:
                while file.read(1 << 20):
                    pass
        return _read(settings, claim, new, acknowledged)
    except Damaged as damage:
        now = settings.wall()
        aside = _move_aside(database, now)
        log.error("ledger_damaged", reason=str(damage), moved_to=str(aside))
        new = msgspec.structs.replace(new, damaged_at=now)
        opened = replace(_read(settings, claim, new, 0), moved_to=aside)
        # The last step: if the process ends before it, the next start detects the loss again.
        claim.reset()
        return opened


def _read(settings: LedgerSettings, claim: Claim, new: Meta, acknowledged: int) -> Opened:
    """Read the ledger, or create it with `new`. Raises `Damaged`, also for a lost acknowledged commit."""
    path = settings.folder / "ledger.db"
    if not _size(path):
        # Checked before SQLite opens the file: SQLite deletes a WAL beside an empty database.
        if acknowledged or _size(Path(f"{path}-wal")):
            raise Damaged(f"{path} is gone or empty, but there were commits")
        create(path, new)
    with ExitStack() as undo:
        try:
            store = Store(path, settings.label_names)
            undo.callback(store.abandon)
            store.check()
            meta = store.meta()
            if meta.commit < acknowledged:
                raise Damaged(
                    f"{path} ends at commit {meta.commit}, but commit {acknowledged} was acknowledged"
                )
            totals, renamed = _totals(store)
            window, segments, last_ids = _window(store, settings)
            store.check_rows(meta)
            # Nothing is written before this line: a damaged ledger is moved aside unchanged. After the
            # checkpoint everything that was read is durable, also after a failed fsync.
            # On a full disk, the WAL can be read all the same, and the writer tries again.
            with suppress(apsw.FullError):
                store.checkpoint()
            # A restored backup has no id.
            if renamed or not meta.ledger:
                meta.ledger = meta.ledger or new.ledger
                store.write(meta, Changes(totals.series(), [], renamed))
            sync(settings.folder)
            files = OpenFiles(settings.folder)
        except apsw.Error as error:
            if is_damage(error):
                raise Damaged(f"{type(error).__name__}: {error}") from None
            raise
        except UnicodeDecodeError as error:
            raise Damaged(f"text that is not UTF-8: {error}") from None
        undo.pop_all()
    return Opened(store, claim, meta, totals, window, segments, last_ids, files)


def is_damage(error: apsw.Error) -> bool:
    """Whether an error that SQLite raised while reading a file that it can write is about its content."""
    # Flipped bits in the header raise many kinds of errors, also SQLError, ReadOnlyError and TooBigError.
    if isinstance(error, apsw.IOError):
        # A short read means that the file was cut. Other I/O errors come from the disk.
        return bool(error.extendedresult == apsw.SQLITE_IOERR_SHORT_READ)  # type: ignore[attr-defined]
    return not isinstance(error, _NOT_DAMAGE)


def _move_aside(database: Path, now: float) -> Path:
    """Rename the files of a damaged database with the time `now` (Unix seconds); returns the new name."""
    # With microseconds: a name must never be that of an earlier damaged file.
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = f"{database}.damaged-{stamp}"
    for suffix in _SUFFIXES:
        if os.path.exists(f"{database}{suffix}"):
            os.rename(f"{database}{suffix}", f"{target}{suffix}")
    return Path(target)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def create(path: Path, meta: Meta) -> None:
    """Create a database without counts at `path`, or replace an empty file."""
    # Under another name: a process that is killed meanwhile must not leave a damaged ledger.
    unfinished = path.with_name(_UNFINISHED)
    unfinished.touch(mode=0o600)
    with closing(Store(unfinished)) as store:
        store.create(meta)
        # `close` ignores errors of its checkpoint, and the WAL is not renamed.
        store.checkpoint()
    os.replace(unfinished, path)


def _totals(store: Store) -> tuple[RunningTotals, list[str]]:
    """The totals, and the stored names of series that have another name now, because the labels changed."""
    # If a series kept its old name, the next start would add it to the series of the new name again.
    stored = store.series()
    merged: dict[tuple[str, ...], Total] = {}
    for total in stored.values():
        same = merged.get(total.series.key)
        merged[total.series.key] = _sum(same, total) if same else total
    totals = RunningTotals()
    totals.publish(Changes(list(merged.values()), store.durations()))
    return totals, [name for name, total in stored.items() if store.name(total.series) != name]


def _sum(first: Total, second: Total) -> Total:
    exemplars = [total.exemplar for total in (first, second) if total.exemplar]
    return replace(
        first,
        value=first.value + second.value,
        delayed=first.delayed and second.delayed,
        exemplar=max(exemplars, key=lambda exemplar: exemplar.at, default=None),
    )


def _window(store: Store, settings: LedgerSettings) -> tuple[Window, Segments, Ids | None]:
    window = Window(settings.ids, settings.slack)
    segments = Segments(settings.ids, settings.age, window.size)
    last = None
    for rows in _chunks(store, window.size):
        count = sum(ids.count for ids in rows)
        while len(window) + count > window.size:
            # The configured window became smaller: the oldest rows are dropped.
            segments.drop_oldest(window)
        keys = words(b"".join([ids.keys for ids in rows]), KEY_BYTES)
        fingerprints = words(b"".join([ids.fingerprints for ids in rows]), FINGERPRINT_BYTES)
        window.add(keys, fingerprints)
        for ids in rows:
            segments.add(Segment(ids.number, ids.count, ids.age, ids.age))
            last = ids
    return window, segments, last


def _chunks(store: Store, size: int) -> Iterator[list[Ids]]:
    """The rows of ids, several at a time; together they fit a window of `size` ids."""
    rows: list[Ids] = []
    count = 0
    for ids in store.ids():
        if ids.count > size:
            # `max_events` was lowered, and a commit can't be remembered in part: its ids are dropped.
            log.warning("dedup_window_too_small", commit=ids.number, ids=ids.count)
            continue
        if count + ids.count > min(_CHUNK, size):
            yield rows
            rows, count = [], 0
        rows.append(ids)
        count += ids.count
    yield rows
