"""The raw codes that no taxonomy row has: for people, at /api/unknown-codes; never a label."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

MAX_CODE: Final = 128
"""Characters of a raw code that are kept; no vendor's code is a tenth of it."""


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A raw code and when it was seen; times in Unix seconds."""

    system: str
    code: str
    count: int
    first_seen: float
    last_seen: float


class UnknownCodes:
    """The last `most` distinct raw codes of each system since the process started.

    Bounded because senders choose the codes: past `most` of a system, the one not seen for longest is
    forgotten, and `evicted` counts it. Any thread may call any method.
    """

    def __init__(self, systems: Iterable[str], most: int = 100) -> None:
        self._most = most
        self._lock = Lock()
        self._seen: dict[str, OrderedDict[str, UnknownCode]] = {
            system: OrderedDict() for system in systems
        }
        self._evicted = 0

    @property
    def evicted(self) -> int:
        """How many codes were forgotten to make room."""
        return self._evicted

    def record(self, system: str, raw_code: str, at: float, count: int = 1) -> None:
        """Note `count` events with `raw_code`, received `at` (Unix seconds).

        Raises KeyError for a system not named at the start: its events were rejected, not counted.
        """
        code = raw_code[:MAX_CODE].encode("utf-8", "replace").decode()
        seen = self._seen[system]
        with self._lock:
            old = seen.pop(code, None)
            seen[code] = UnknownCode(
                system,
                code,
                old.count + count if old else count,
                old.first_seen if old else at,
                at,
            )
            if len(seen) > self._most:
                seen.popitem(last=False)
                self._evicted += 1

    def snapshot(self) -> list[UnknownCode]:
        """What was seen, last seen first."""
        with self._lock:
            found = [one for seen in self._seen.values() for one in seen.values()]
        return sorted(found, key=lambda one: -one.last_seen)
