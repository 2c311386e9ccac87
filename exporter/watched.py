"""Files of the operator that are read again when they change."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from prometheus_client import Gauge

from exporter import names
from exporter.errors import ConfigError
from exporter.logs import Log

RECHECK: Final = 1.0
"""Seconds between two checks of the file: a stat per request was visible in a profile."""

RELOADED: Final = Gauge(
    names.FILE_RELOADED,
    "1 when the content of a file is in use, 0 when it is wrong and the previous content stays in use.",
    (names.FILE,),
    registry=None,
)

T = TypeVar("T")
log = Log("exporter.watched")


class Watched(Generic[T]):
    """The result of `load` for the files at `paths`, which the log calls `what`.

    A new version that is missing or wrong is logged once, and the previous result stays in use: a mistake
    in an editor must not lock anybody out. `RELOADED` is 0 until the files are mended. `clock` counts seconds
    and never goes back. Raises the `ConfigError` of `load` for the first version.
    """

    def __init__(
        self,
        paths: tuple[Path, ...],
        load: Callable[..., T],
        what: str,
        clock: Callable[[], float],
    ) -> None:
        self._paths = paths
        self._load = load
        self._what = what
        self._clock = clock
        self._version = self._stat()
        self._loaded = load(*paths)
        self._next = clock() + RECHECK
        self._mistake = ""
        self._lock = threading.Lock()
        for path in paths:
            # A file name may have bytes that are not UTF-8.
            name = os.fsencode(path).decode("utf-8", "replace")
            RELOADED.labels(name).set_function(self._is_current)

    def current(self) -> T:
        """The current result; checks the files at most once a second."""
        now = self._clock()
        # A scrape may be reading the files in another thread.
        if now < self._next or not self._lock.acquire(blocking=False):
            return self._loaded
        try:
            self._next = now + RECHECK
            self._reload()
        finally:
            self._lock.release()
        return self._loaded

    def _reload(self) -> None:
        before, self._version = self._version, self._stat()
        # A mistake may have another cause than the content, such as a lack of descriptors.
        if self._version == before and not self._mistake:
            return
        try:
            self._loaded = self._load(*self._paths)
        except ConfigError as error:
            if str(error) != self._mistake:
                self._mistake = str(error)
                text = f"{self._what} is wrong, the previous version stays in use"
                log.error(text, mistakes=self._mistake)
        else:
            self._mistake = ""
            log.info(f"{self._what} reloaded", paths=list(map(str, self._paths)))

    def _is_current(self) -> bool:
        # Requests may not use the files for days, but a restart with a mistake in a file fails.
        self.current()
        return not self._mistake

    def _stat(self) -> list[object]:
        return [_version(path) for path in self._paths]


def _version(path: Path) -> object:
    try:
        status = path.stat()
    except OSError as error:
        return error.errno
    # The change of status, because a copy may keep the time of modification. With the size, because two
    # changes may have the same time, and with the inode, because Kubernetes swaps a symlink.
    return status.st_ctime_ns, status.st_size, status.st_ino
