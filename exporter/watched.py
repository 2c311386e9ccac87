"""A file of the operator that is read again when it changes."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from prometheus_client import Gauge

from exporter import names
from exporter.errors import ConfigError
from exporter.logs import Log

_RECHECK: Final = 1.0
"""Seconds between two checks of the file: a stat per request was visible in a profile."""

RELOADED: Final = Gauge(
    names.FILE_RELOADED,
    "1 when the content of a file is in use, 0 when it is wrong and the previous content stays in use.",
    (names.FILE,),
    registry=None,
)

T = TypeVar("T")
log = Log("exporter.watched")


def export_use(path: Path, is_current: Callable[[], bool]) -> None:
    """Show in `RELOADED` whether the content of a file is in use."""
    # A file name may have bytes that are not UTF-8.
    RELOADED.labels(os.fsencode(path).decode("utf-8", "replace")).set_function(is_current)


class Watched(Generic[T]):
    """The result of `load` for the file at `path`, which the log calls `what`.

    A new version that is missing or wrong is logged once, and the previous result stays in use: a mistake
    in an editor must not lock anybody out. `RELOADED` is 0 until the file is mended. `clock` counts seconds
    and never goes back. Raises the `ConfigError` of `load` for the first version.
    """

    def __init__(
        self, path: Path, load: Callable[[Path], T], what: str, clock: Callable[[], float]
    ) -> None:
        self._path = path
        self._load = load
        self._what = what
        self._clock = clock
        self._version = self._stat()
        self._loaded = load(path)
        self._next = clock() + _RECHECK
        self._wrong = False
        self._lock = threading.Lock()
        export_use(path, self._is_current)

    def current(self) -> T:
        """The current result; checks the file at most once a second."""
        now = self._clock()
        # A scrape may be reading the file in another thread.
        if now < self._next or not self._lock.acquire(blocking=False):
            return self._loaded
        try:
            self._next = now + _RECHECK
            self._reload()
        finally:
            self._lock.release()
        return self._loaded

    def _reload(self) -> None:
        before, self._version = self._version, self._stat()
        if self._version == before:
            return
        try:
            self._loaded = self._load(self._path)
        except ConfigError as error:
            self._wrong = True
            log.error(
                f"{self._what} is wrong, the previous version stays in use", mistakes=str(error)
            )
        else:
            self._wrong = False
            log.info(f"{self._what} reloaded", path=str(self._path))

    def _is_current(self) -> bool:
        # Requests may not use the file for days, but a restart with a mistake in the file fails.
        self.current()
        return not self._wrong

    def _stat(self) -> object:
        try:
            status = self._path.stat()
        except OSError as error:
            return error.errno
        # With the inode: Kubernetes swaps a symlink, and two versions may have the same size and time.
        # With the mode: secrets that other users can read are logged.
        return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
