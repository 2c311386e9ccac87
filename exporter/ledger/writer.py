"""Writes groups of batches to an opened ledger: durable, then published, then the receipts."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext, suppress
from itertools import compress
from typing import Final

import apsw
import msgspec

from exporter.ledger.contract import Batch, Receipt, Series, Status, Total, Totals
from exporter.ledger.group import Group
from exporter.ledger.recovery import LedgerSettings, Opened
from exporter.ledger.repeats import RecentUsers
from exporter.ledger.store import Ids
from exporter.ledger.totals import Changes
from exporter.logs import Log

log = Log("exporter.ledger")

CHECKPOINT_PAGES: Final = 1000
"""Pages of the WAL from which a commit is followed by a checkpoint: SQLite's default."""
MOST_PAGES: Final = 65_536
"""Pages (256 MiB) from which a checkpoint no longer waits for a backup: a backup to a disk that hangs must
not fill the disk of the ledger. The backup notices the change and copies again."""
_PAGE: Final = 4096
"""Bytes of a page: SQLite's default."""


class Writer:
    """Writes to an opened ledger and closes it, on one thread at a time. Any thread may read.

    A write raises `apsw.FullError` when nothing was written. After any other error SQLite may have written
    the transaction or not ("ghost commit"): only a restart from the disk shows it. `on_commit` gets the
    seconds of each transaction.
    """

    def __init__(
        self, opened: Opened, settings: LedgerSettings, on_commit: Callable[[float], None]
    ) -> None:
        self._opened, self._settings, self._on_commit = opened, settings, on_commit
        self._meta, self._size = opened.meta, 0
        opened.store.after_commits(self._after_commit)
        self._started = settings.monotonic()
        self._last_ids = opened.last_ids
        self._recent = RecentUsers(settings.monotonic)
        # The last process may have ended before a delayed series was scraped as 0: its delay starts again.
        self._delay_ends: dict[Series, float] = {}
        self._delay(opened.totals.series())

    def commit(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Count a group of batches in one transaction; returns their receipts."""
        opened = self._opened
        group = Group(batches, opened.window)
        now = self._settings.wall()
        events = group.accepted
        repeats = self._recent.repeats(events.users) if events.users else []
        changes = opened.totals.change(events, now, list(compress(events.series, repeats)))
        if changes.series:
            self._write(changes, now, group)
            if events.users:
                # After the write: if it fails, the sender repeats the event, which is no repeat of itself.
                self._recent.remember(events.users, repeats)
            self._delay(changes.series)
        else:
            # Only duplicates: earlier transactions made their first copies durable.
            opened.files.check_changes()
        return group.receipts()

    def housekeep(self, *, after_failure: bool) -> None:
        """Write what is due without events: missing series, ends of first-seen delays, expiry."""
        opened, settings = self._opened, self._settings
        opened.files.check()
        self._size = opened.store.size()
        if after_failure and not opened.claim.has_space():
            return
        now = settings.monotonic()
        changes = opened.totals.missing(settings.zero, settings.zero_durations)
        due = [series for series, end in self._delay_ends.items() if now >= end]
        changes.series.extend(opened.totals.end_delays(due).series)
        expiring = opened.segments.due(self._age(), 0)
        # After a failure, an empty transaction shows whether the disk has space again.
        if after_failure or changes.series or changes.durations or expiring:
            self._write(changes, settings.wall())
            for series in due:
                del self._delay_ends[series]

    def close(self, *, broken: bool) -> None:
        """Close the ledger. The WAL of a broken ledger stays: the next start reads it from the disk."""
        store = self._opened.store
        try:
            with closing(self._opened):
                if broken:
                    store.abandon()
                else:
                    store.checkpoint()
        except apsw.Error as error:
            log.warning("ledger_close_failed", error=str(error))

    def totals(self) -> Totals:
        totals = self._opened.totals
        return Totals(self._meta.ledger, totals.series(), totals.durations())

    def status(self) -> Status:
        """The state without queue and problems."""
        opened = self._opened
        return Status(
            damaged=str(opened.moved_to) if opened.moved_to else None,
            damaged_at=self._meta.damaged_at,
            window_ids=len(opened.window),
            window_capacity=self._settings.ids,
            window_span=opened.segments.span(self._age()),
            window_expired=dict(opened.segments.expired),
            size_bytes=self._size,
        )

    def _write(self, changes: Changes, wall: float, group: Group | None = None) -> None:
        opened = self._opened
        age = self._age()
        meta = msgspec.structs.replace(self._meta, commit=self._meta.commit + 1, age=age)
        count = len(group) if group is not None else 0
        expiring = opened.segments.due(age, count)
        segment, ids = None, None
        if group is not None and count:
            segment = opened.segments.extended(meta.commit, count, age)
            keys, fingerprints = group.accepted.keys, group.accepted.fingerprints
            last = self._last_ids
            if last is not None and last.number == segment.number:
                keys, fingerprints = last.keys + keys, last.fingerprints + fingerprints
            ids = Ids(segment.number, wall, age, keys, fingerprints)
        began = time.perf_counter()
        opened.store.write(meta, changes, ids, expiring[-1][0].number if expiring else 0)
        # A commit to a deleted file is lost: it gets no receipt.
        opened.files.check_changes()
        seconds = time.perf_counter() - began
        opened.claim.mark(meta.commit)
        self._meta = meta
        opened.segments.drop(expiring, opened.window)
        if group is not None and segment is not None:
            group.remember()
            opened.segments.add(segment)
            self._last_ids = ids
        opened.totals.publish(changes)
        self._on_commit(seconds)

    def _after_commit(self, connection: apsw.Connection, database: str, pages: int) -> int:
        """Make a checkpoint when one is due, unless a backup copies the ledger.

        Between two checkpoints the database file does not change and the WAL grows at its end only, so a
        backup can copy both files while commits continue.
        """
        if pages >= CHECKPOINT_PAGES:
            opened = self._opened
            # A checkpoint may need as much space as the WAL has. Without it, a full disk would stay full.
            waits = pages < min(MOST_PAGES, opened.claim.free() // (4 * _PAGE))
            lock = opened.claim.unpaused() if waits else nullcontext()
            # A backup or a full disk: the commit succeeded, and the next one tries again, as in SQLite.
            with suppress(BlockingIOError, apsw.FullError), lock:
                opened.store.checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    def _delay(self, totals: Sequence[Total]) -> None:
        end = self._settings.monotonic() + self._settings.first_seen_delay
        for total in totals:
            if total.delayed:
                self._delay_ends.setdefault(total.series, end)

    def _age(self) -> float:
        """The ledger's own clock in seconds: it stands still between processes."""
        return self._opened.meta.age + self._settings.monotonic() - self._started
