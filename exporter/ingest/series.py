"""Which series an event counts in: the taxonomy's answer, remembered per spelling."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest

from exporter.errors import Rejected
from exporter.ledger.contract import Family, Series
from exporter.names import UNKNOWN
from exporter.taxonomy import PHASES, Taxonomy
from exporter.taxonomy.model import normalize

_encode = msgspec.msgpack.Encoder().encode
_REMEMBERED: Final = 10_000
_CODE_CHARS: Final = 128
_HASH_BITS: Final = 60
"""Python hashes an integer to its remainder by 2**61 - 1."""

Spelling = tuple[str, str | int | None, str | None, bool | None, tuple[str, ...]]
"""system, code, phase, final and label values as sent."""


class Row(NamedTuple):
    """The label values that the taxonomy decides."""

    system: str
    code: str
    phase: str
    category: str
    outcome: str


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What events of one spelling have in common.

    `series` when on time, `late` when not; `written` is the code as sent, whatever case and spaces it had;
    `seed` is of system, code, phase and finality as sent (see `exporter.ingest.keys`); `unknown` is the raw
    code when the taxonomy does not have it.
    """

    series: Series
    late: Series
    system: str
    code: str
    written: str
    seed: int
    unknown: str | None


class Kinds(dict[Spelling, Kind]):
    """Kinds by spelling; series are interned, so equal ones are the same object."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        super().__init__()
        self._systems = taxonomy.systems
        self._series: dict[tuple[str, ...], Series] = {}

    def __missing__(self, spelling: Spelling) -> Kind:
        """The kind of a spelling not seen before. Raises `Rejected`."""
        name, raw, phase, final, labels = spelling
        system = self._systems.get(name)
        if system is None:
            raise Rejected(
                "unknown_system",
                f"system: {name[:80]!r} is not loaded; there are {', '.join(self._systems)}",
            )
        if phase is not None and phase not in PHASES:
            raise Rejected(
                "invalid_field", f"phase: {phase[:80]!r} is not one of {', '.join(PHASES)}"
            )
        text = _text(raw)
        code = system.match(raw)
        row = Row(name, code.code, phase or code.phase, code.category, code.outcome.value)
        interrupted = final is False
        on_time = self._intern(Family.INTERRUPTIONS if interrupted else Family.ENDS, row, labels)
        late = on_time if interrupted else self._intern(Family.LATE, row, labels)
        unknown = text if code.code == UNKNOWN else None
        written = normalize(text)
        seed = xxh3_64_intdigest(_encode((name, written, phase, interrupted)))
        kind = Kind(on_time, late, name, code.code, written, seed, unknown)
        if _memorable(raw):
            if len(self) >= _REMEMBERED:
                self.clear()
            self[spelling] = kind
        return kind

    def _intern(self, family: Family, row: Row, labels: tuple[str, ...]) -> Series:
        key = (family.value, *row, *labels)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(family, *row, labels)
        return found


def _memorable(code: str | int | None) -> bool:
    """Whether to remember a spelling: long ones would fill the memory, and of integers past 2**61 any
    number can be found that have one hash, which makes each look-up walk past all the others."""
    if code is None or isinstance(code, str):
        return len(code or "") <= _CODE_CHARS
    return code.bit_length() <= _HASH_BITS


def _text(code: str | int | None) -> str:
    """A code as text, cut to 128 characters: no documented one is longer."""
    if code is None or isinstance(code, str):
        return (code or "")[:_CODE_CHARS]
    # Python refuses to write out more than 4,300 digits.
    return str(code)[:_CODE_CHARS] if code.bit_length() < 400 else "an integer of over 400 bits"
