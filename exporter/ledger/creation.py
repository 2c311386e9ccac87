"""Creates the file of a ledger completely or not at all.

Otherwise a process that is killed during its first start would leave a damaged ledger.
"""

import os
from pathlib import Path

from exporter.ledger.damage import SUFFIXES
from exporter.ledger.store import Meta, Store


def create(path: Path, meta: Meta) -> None:
    """Create a database without counts at `path`, or replace an empty file. Call `sync_folder` afterwards."""
    unfinished = _unfinished(path)
    store = Store(unfinished)
    try:
        store.create(meta)
        # `close` ignores errors of its checkpoint, and the WAL is not renamed.
        store.checkpoint()
    finally:
        store.close()
    # SQLite would apply an old journal beside the new file.
    Path(f"{path}-journal").unlink(missing_ok=True)
    os.replace(unfinished, path)


def remove_leftovers(path: Path) -> None:
    """Remove the files of a creation of `path` that did not finish."""
    for suffix in SUFFIXES:
        Path(f"{_unfinished(path)}{suffix}").unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names of the files durable. SQLite does so too, but ignores errors."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
