"""Reads a dataclass from a YAML mapping by its field types, keeping every mistake with its line."""

import math
import re
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from yaml.nodes import ScalarNode

from exporter.policy.model import SECONDS, Duration, Fraction
from exporter.taxonomy.document import Mapping

_DURATION: Final = re.compile(f"[1-9][0-9]{{0,5}}[{''.join(SECONDS)}]")
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST: Final = 128
_PLACE: Final = "place"

T = TypeVar("T")


class Section(Mapping):
    """A `Mapping` that also answers with numbers, durations and mappings inside it."""

    def __init__(self, mapping: Mapping) -> None:
        self.__dict__.update(mapping.__dict__)

    def read(self, kind: type[T]) -> T:
        """The dataclass in this mapping; worth using when no mistake was kept."""
        assert is_dataclass(kind)
        hints = get_type_hints(kind)
        given = [one for one in fields(kind) if one.name != _PLACE]
        optional = [one.name.rstrip("_") for one in given if one.default is not MISSING]
        required = [one.name.rstrip("_") for one in given if one.default is MISSING]
        self.expect(required, optional)
        values = {one.name: self._value(one.name.rstrip("_"), hints[one.name]) for one in given}
        if _PLACE in hints:
            values[_PLACE] = f"{self._path}:{self.line}"
        made: T = kind(**values)
        return made

    def _value(self, key: str, kind: Any) -> Any:
        if get_origin(kind) is tuple:
            return tuple(Section(one).read(get_args(kind)[0]) for one in self.mappings(key))
        if is_dataclass(kind) and isinstance(kind, type):
            inner = self._mapping(self._nodes.get(key), key)
            return None if inner is None else Section(inner).read(kind)
        if kind is Duration:
            return self._duration(key)
        if kind in (float, Fraction):
            return kind(self._number(key, below_one=kind is Fraction))
        return self.text(key, longest=None if key == "reason" else _LONGEST)

    def _duration(self, key: str) -> Duration:
        value = self.text(key, longest=_LONGEST)
        if value and not _DURATION.fullmatch(value):
            self.wrong(
                self.line_of(key),
                f"{key} {value!r} in {self.what} is not a duration; allowed are a whole number and "
                f"one of {', '.join(SECONDS)}, such as 5m",
            )
            value = ""
        return Duration(value or "1s")

    def _number(self, key: str, *, below_one: bool) -> float:
        node = self._nodes.get(key)
        if node is None:
            return 0.5
        shown = node.value if isinstance(node, ScalarNode) else ""
        # A quoted "5" is a text to YAML, and a number in nobody's other tool.
        if shown and not node.tag.endswith(":str") and _NUMBER.fullmatch(shown):
            number = float(shown)
            if math.isfinite(number) and (0 < number < 1 or not below_one):
                return number
        allowed = "between 0 and 1" if below_one else "that is not negative, such as 4 or 0.5"
        found = repr(shown) if isinstance(node, ScalarNode) else "more than one value"
        self.wrong(
            self.line_of(key), f"{key} in {self.what} must be a number {allowed}, not {found}"
        )
        return 0.5
