"""The keys of events, matched to the names of fields; keys of no field are ignored and reported."""

from typing import Any, Final

from exporter.errors import Rejected, quoted
from exporter.event_fields import FIELDS, field_named, nearest_field

_FIELDS: Final = frozenset(FIELDS)
_MAX_NAMES: Final = 10
_MAX_CHARS: Final = 64


class IgnoredFields:
    """The keys of a request's events that mean no field.

    `count` is the number of all such keys. `names` has the first 10 different keys, cut to 64 characters,
    each with its nearest field. With `strict`, an event with such a key is rejected, and the key is not
    counted. A `beacon` has further fields.
    """

    def __init__(self, *, strict: bool = False, beacon: bool = False) -> None:
        self._strict = strict
        self._beacon = beacon
        self.count = 0
        self.names: dict[str, str | None] = {}

    def match(self, event: dict[str, Any]) -> dict[str, Any]:
        """The event's fields under their own names. Raises `Rejected` for two keys of one field."""
        fields: dict[str, Any] = {}
        for key, value in event.items():
            # Most keys are exact names, and matching them took two thirds of the time of a request.
            name = key if key in _FIELDS else field_named(key, beacon=self._beacon)
            if name is None:
                self._ignore(key)
            elif name in fields:
                first = next(
                    other for other in event if field_named(other, beacon=self._beacon) == name
                )
                raise Rejected(
                    "duplicate_key", f"{quoted(first)} and {quoted(key)} both mean {name}"
                )
            else:
                fields[name] = value
        return fields

    def _ignore(self, key: str) -> None:
        if key not in self.names and len(self.names) < _MAX_NAMES:
            # A key may contain a lone surrogate, which UTF-8 can't encode.
            name = key[:_MAX_CHARS].encode("utf-8", "replace").decode()
            self.names[name] = nearest_field(name)
        if self._strict:
            nearest = self.names.get(key)
            hint = f"; the nearest field is {nearest}" if nearest else ""
            raise Rejected("unknown_field", f"{quoted(key)} is not a field (strict_fields){hint}")
        self.count += 1
