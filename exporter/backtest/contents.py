"""The first content of each key, in bounded memory."""

import sqlite3
from contextlib import AbstractContextManager

from exporter.ledger.contract import ACCEPTED, CONFLICT, DUPLICATE


class Contents(AbstractContextManager["Contents"]):
    """Remembers a fingerprint for each key. Not thread-safe; closed by `with`.

    As in `exporter.send.events.Occurrences`, SQLite's temporary database grows out of its cache into an
    unnamed file.
    """

    def __init__(self, cache_kib: int = 64 * 1024) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"PRAGMA cache_size = -{cache_kib}; PRAGMA journal_mode = OFF;"
            "CREATE TABLE first (key BLOB PRIMARY KEY, fingerprint, n) WITHOUT ROWID; BEGIN"
        )

    def verdict(self, key: bytes, fingerprint: bytes) -> int:
        """`ACCEPTED` for the first event with a key, then `DUPLICATE`, or `CONFLICT` for other content."""
        insert = (
            "INSERT INTO first VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = 2 "
            "RETURNING n, fingerprint"
        )
        n, first = self._database.execute(insert, (key, fingerprint)).fetchone()
        if n == 1:
            return ACCEPTED
        return DUPLICATE if first == fingerprint else CONFLICT

    def __exit__(self, *_: object) -> None:
        self._database.close()
