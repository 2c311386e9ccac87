"""Raw codes that no taxonomy has: they are listed at /api/unknown-codes and never become a label."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

MAX_CODE: Final = 128
"""Characters of a raw code that are kept; no vendor's code has a tenth of it."""


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A raw code, how often and when it was seen; times in Unix seconds."""

    system: str
    code: str
    count: int
    first_seen: float
    last_seen: float


class UnknownCodes:
    """The latest `max_codes` distinct raw codes of each system since the process started.

    Senders choose the codes, so the list is bounded: past the bound the code with the oldest `last_seen` is
    dropped. Any thread may call any method.
    """

    def __init__(self, systems: Iterable[str], max_codes: int = 100) -> None:
        self._max_codes = max_codes
        self._lock = Lock()
        self._codes: dict[str, OrderedDict[str, UnknownCode]] = {
            system: OrderedDict() for system in systems
        }

    def record(self, system: str, raw_code: str, at: float, count: int = 1) -> None:
        """Record `count` events with `raw_code`, received `at` (Unix seconds)."""
        code = raw_code[:MAX_CODE].encode("utf-8", "replace").decode()
        codes = self._codes[system]
        with self._lock:
            old = codes.pop(code, UnknownCode(system, code, 0, at, at))
            codes[code] = UnknownCode(system, code, old.count + count, old.first_seen, at)
            if len(codes) > self._max_codes:
                codes.popitem(last=False)

    def snapshot(self) -> list[UnknownCode]:
        """All recorded codes, latest first."""
        with self._lock:
            codes = [code for codes in self._codes.values() for code in codes.values()]
        return sorted(codes, key=lambda code: -code.last_seen)
