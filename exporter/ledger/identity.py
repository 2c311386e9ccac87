"""Whether the ledger's paths still lead to the files that the process has open.

Commits go to an open file also after it was deleted. Then they are nowhere, and a second process can create a
ledger at the same path.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from exporter.errors import LedgerError


class Replaced(LedgerError):
    """A path no longer leads to the open file; the text names the path."""


class OpenFiles:
    """Device and inode of each of `paths` at the time when the files were opened."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [(str(path), _identity(str(path))) for path in paths]

    def check(self) -> None:
        """Raises `Replaced` when a path leads to another file, or to none."""
        for path, identity in self._files:
            try:
                same = _identity(path) == identity
            except OSError as error:
                raise Replaced(f"{path} was moved or deleted: {error.strerror}") from None
            if not same:
                raise Replaced(f"{path} is another file now")


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
