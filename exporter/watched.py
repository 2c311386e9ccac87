"""A file of the operator's that is read again when it changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from exporter.errors import ConfigError
from exporter.logs import Log

_RECHECK: Final = 1.0
"""Seconds between two looks at the file: a stat for each request showed in the profile."""

T = TypeVar("T")
_log = Log("exporter.watched")


class Watched(Generic[T]):
    """What `load` makes of the file at `path`, named `what` in the log.

    A version that is missing or wrong is logged once and the one before it stays in force, so that a
    slip of the editor locks nobody out. `clock` counts seconds and never goes back. Raises what `load`
    raises, a `ConfigError`, when the first version is wrong.
    """

    def __init__(
        self, path: Path, load: Callable[[Path], T], what: str, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._load = load
        self._what = what
        self._clock = clock
        self._mark = self._stat()
        self._loaded = load(path)
        self._next = clock() + _RECHECK

    def now(self) -> T:
        """The version in force; looks at the file once a second."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _RECHECK
            self._refresh()
        return self._loaded

    def _refresh(self) -> None:
        mark = self._stat()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._loaded = self._load(self._path)
        except ConfigError as error:
            _log.error(f"{self._what} is wrong, the one before it stays", mistakes=str(error))
        else:
            _log.info(f"{self._what} read again", path=str(self._path))

    def _stat(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        # The inode too: Kubernetes swaps a symlink, and two versions may share size and time. The mode,
        # because secrets that others can read are warned of.
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode
