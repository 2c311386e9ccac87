"""Creating a ledger's file: it is there whole, or not at all.

Made in place, a ledger whose process was killed during its first start was found damaged by the next start.
"""

import os
from pathlib import Path

from exporter.ledger.damage import FILES
from exporter.ledger.store import Meta, Store


def create(path: Path, meta: Meta) -> None:
    """Create the database at `path` with `meta` and no counts; its name is durable after `sync_names`.

    An empty file at `path` is replaced. Leftovers must have been removed. Raises apsw's own errors and
    `OSError`.
    """
    store = Store(_unfinished(path))
    try:
        store.create(meta)
        # Closing the store ignores errors of its checkpoint, and the WAL is not renamed.
        store.checkpoint()
    finally:
        store.close()
    # SQLite would undo a transaction in the new file with a journal that was left beside it.
    Path(f"{path}-journal").unlink(missing_ok=True)
    os.replace(_unfinished(path), path)


def remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed while it created `path` left behind."""
    for suffix in FILES:
        Path(f"{_unfinished(path)}{suffix}").unlink(missing_ok=True)


def sync_names(folder: Path) -> None:
    """Make the names of a folder's files durable. SQLite does so too, but ignores that it failed."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
