"""Reads a dataclass from a YAML mapping by its field types, keeping every mistake with its line."""

import math
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from exporter.policy.model import SECONDS, Duration, Fraction
from exporter.taxonomy.document import Mapping

_DURATION: Final = re.compile(f"[1-9][0-9]{{0,5}}[{''.join(SECONDS)}]")
_WAIT: Final = "for"
"""The one duration that may be none."""
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST: Final = 128
_PLACE: Final = "place"

T = TypeVar("T")


class Section:
    """A `Mapping` read by the types of a dataclass's fields: numbers, durations and mappings inside it."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping

    def read(self, kind: type[T]) -> T:
        """The dataclass in this mapping; worth using when no mistake was kept."""
        assert is_dataclass(kind)
        hints = get_type_hints(kind)
        given = [one for one in fields(kind) if one.name != _PLACE]
        optional = [one.name.rstrip("_") for one in given if one.default is not MISSING]
        required = [one.name.rstrip("_") for one in given if one.default is MISSING]
        self._mapping.expect(required, optional)
        values = {one.name: self._value(one.name.rstrip("_"), hints[one.name]) for one in given}
        if _PLACE in hints:
            values[_PLACE] = self._mapping.place
        made: T = kind(**values)
        return made

    def _value(self, key: str, kind: Any) -> Any:
        if get_origin(kind) is tuple:
            return tuple(
                Section(one).read(get_args(kind)[0]) for one in self._mapping.mappings(key)
            )
        if is_dataclass(kind) and isinstance(kind, type):
            inner = self._mapping.mapping(key)
            return None if inner is None else Section(inner).read(kind)
        if kind is Duration:
            return self._duration(key)
        if kind in (float, Fraction):
            return kind(self._number(key, below_one=kind is Fraction))
        return self._mapping.text(key, longest=None if key == "reason" else _LONGEST)

    def _duration(self, key: str) -> Duration:
        value = self._mapping.text(key, longest=_LONGEST)
        nothing = key == _WAIT and value == "0s"
        if value and not nothing and not _DURATION.fullmatch(value):
            self._mapping.wrong(
                self._mapping.line_of(key),
                f"{key} {value!r} in {self._mapping.what} is not a duration; allowed are a whole number and "
                f"one of {', '.join(SECONDS)}, such as 5m",
            )
            value = ""
        return Duration(value or "1s")

    def _number(self, key: str, *, below_one: bool) -> float:
        if key not in self._mapping:
            return 0.5
        given = self._mapping.scalar(key)
        # A quoted "5" is a text to YAML, and a number in nobody's other tool.
        if given and not given.is_text and _NUMBER.fullmatch(given.written):
            number = float(given.written)
            if math.isfinite(number) and (0 < number < 1 or not below_one):
                return number
        allowed = "between 0 and 1" if below_one else "that is not negative, such as 4 or 0.5"
        found = repr(given.written) if given else "more than one value"
        self._mapping.wrong(
            self._mapping.line_of(key),
            f"{key} in {self._mapping.what} must be a number {allowed}, not {found}",
        )
        return 0.5
