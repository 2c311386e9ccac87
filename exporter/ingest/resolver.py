"""The series of an event: system and code resolved by the taxonomy, remembered per spelling."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

from exporter.errors import Rejected, quoted
from exporter.event_fields import name_key
from exporter.ingest.event import Columns
from exporter.ingest.labels import Values
from exporter.ledger.contract import Family, Series
from exporter.names import UNKNOWN
from exporter.taxonomy.model import PHASES, Taxonomy
from exporter.taxonomy.spellings import normalize

_PHASES: Final = {name_key(phase): phase for phase in PHASES}
_encode = msgspec.msgpack.Encoder().encode
_REMEMBERED: Final = 10_000
_CODE_CHARS: Final = 128
_HASH_BITS: Final = 60
"""Python's hash of an integer is its remainder by 2**61 - 1."""

RawCode = str | int | None
Spelling = tuple[str, RawCode, str | None, bool | None, Values]
"""system, code, phase, final and label values as sent."""


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedCode:
    """A resolved code, which all events of one spelling share.

    `series` counts them when on time, `late` when not. `normalized` is the code as sent, case and spaces
    aside; `unknown` is the raw code if the taxonomy does not have it. `seed` is a hash of system, code, phase
    and finality as sent, spelling aside (see `exporter.ingest.keys`).
    """

    series: Series
    late: Series
    system: str
    code: str
    normalized: str
    seed: int
    unknown: str | None


class Resolver(dict[Spelling, ResolvedCode]):
    """Resolved codes by spelling; series are interned, so equal ones are the same object.

    `admit` gets the label values of each new spelling.
    """

    def __init__(self, taxonomy: Taxonomy, admit: Callable[[Values], None]) -> None:
        super().__init__()
        self._systems = taxonomy.systems
        self._admit = admit
        self._series = cache(Series)

    def __missing__(self, spelling: Spelling) -> ResolvedCode:
        """Resolves a spelling not seen before. Raises `Rejected`."""
        name, raw, phase, final, labels = spelling
        system = self._systems.get(name)
        if system is None:
            raise Rejected(
                "unknown_system",
                f"system: {quoted(name)} is not loaded; loaded are {', '.join(self._systems)}",
            )
        given, phase = phase, _PHASES.get(name_key(phase or ""))
        if given and phase is None:
            raise Rejected(
                "invalid_field", f"phase: {quoted(given)} is not one of {', '.join(PHASES)}"
            )
        self._admit(labels)
        text = _text(raw)
        code = system.match(raw)
        row = (name, code.code, phase or code.phase, code.category, code.outcome.value)
        interrupted = final is False
        on_time = self._series(Family.INTERRUPTIONS if interrupted else Family.ENDS, *row, labels)
        late = on_time if interrupted else self._series(Family.LATE, *row, labels)
        normalized = normalize(text)
        resolved = ResolvedCode(
            on_time,
            late,
            name,
            code.code,
            normalized,
            xxh3_64_intdigest(_encode((name, normalized, phase, interrupted))),
            text if code.code == UNKNOWN else None,
        )
        if _can_be_remembered(raw):
            if len(self) >= _REMEMBERED:
                self.clear()
            self[spelling] = resolved
        return resolved

    def resolve(self, events: Columns, labels: Iterable[Values]) -> list[ResolvedCode]:
        """The resolved code of each event; `labels` are their label values. Raises `Rejected`."""
        spellings = zip(events.system, events.code, events.phase, events.final, labels, strict=True)
        return list(map(self.__getitem__, spellings))


def _can_be_remembered(code: RawCode) -> bool:
    """Whether a code may be remembered. Long texts would fill the memory."""
    # Larger integers can have equal hashes: a sender could send many, and a look-up would compare them all.
    if isinstance(code, int):
        return code.bit_length() <= _HASH_BITS
    return len(code or "") <= _CODE_CHARS


def _text(code: RawCode) -> str:
    """A code as text, cut to 128 characters: no documented code is longer."""
    if isinstance(code, int):
        # Python refuses to write more than 4,300 digits.
        return str(code)[:_CODE_CHARS] if code.bit_length() < 400 else "an integer of over 400 bits"
    return (code or "")[:_CODE_CHARS]
