"""Which attribute of a log record is which field of an event, and which is probably the code."""

from collections.abc import Iterable, Sequence
from typing import Final

from exporter.event_fields import MAPPABLE, attribute_key, nearest_field

EVENT: Final = "event"
"""The slot of the event's name."""
_CONVENTIONS: Final = {
    EVENT: ("event.name",),
    "system": ("system", "service.name"),
    "id": ("log.record.uid", "id"),
    "user": ("user", "user.id", "enduser.id"),
}
"""Attributes by OpenTelemetry's semantic conventions, in order of precedence. `session.id` needs no entry."""
_OUTCOMES: Final = frozenset(("reason", "error", "errortype", "exceptiontype"))
"""Keys of attributes that often say why a session ended: `error.type` is one of them."""
_MAX_LENGTH: Final = 256
"""Characters of a name: longer names have no meaning and are not remembered."""
_MAX_REMEMBERED: Final = 10_000
_MAX_COMPARED: Final = 100
"""Names of a request that are compared: senders choose them, and a comparison takes 50 µs."""


class Attributes(dict[str, str | None]):
    """The slot of an attribute by its name; None for an attribute that has no meaning.

    A slot is a field, `event` or `labels.NAME`. The second attribute of a field has a slot of its own,
    which `fallbacks` maps to the field, in order of precedence. `labels` maps slots to configured labels.
    `mapped` are the settings FIELD=ATTRIBUTE.
    Names are matched without regard to case, `_`, `-`, `.` and spaces.
    """

    def __init__(self, labels: Sequence[str] = (), mapped: Iterable[str] = ()) -> None:
        super().__init__()
        configured: dict[str, tuple[str, ...]] = {}
        for pair in mapped:
            field, _, attribute = pair.partition("=")
            configured[field] = (*configured.get(field, ()), attribute)
        self.labels = {f"labels.{label}": label for label in labels}
        self.fallbacks: dict[str, str] = {}
        self._slots: dict[str, str] = {}
        defaults = {field: _CONVENTIONS.get(field, (field,)) for field in MAPPABLE}
        defaults |= {slot: (label, slot) for slot, label in self.labels.items()}
        # Configured attributes come first: they win over a default of another field.
        for field in configured | defaults:
            for rank, attribute in enumerate(configured.get(field) or defaults[field]):
                slot = f"{field}/{rank}" if rank else field
                if self._slots.setdefault(attribute_key(attribute), slot) == slot and rank:
                    self.fallbacks[slot] = field

    def __missing__(self, name: str) -> str | None:
        if len(name) > _MAX_LENGTH:
            return None
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        slot = self[name] = self._slots.get(attribute_key(name))
        return slot


class NearCode(dict[str, bool]):
    """Whether an attribute may contain the code, by its name, for the first 100 names of a request.

    The answer warns about such names: without a code, an end counts as a normal end.
    """

    def __missing__(self, name: str) -> bool:
        if len(self) >= _MAX_COMPARED:
            return False
        # `code.function.name` is a place in a program, `http.response.status_code` is not a session's code.
        other = name.startswith("code.") or name.endswith(".status_code")
        near = self[name] = attribute_key(name) in _OUTCOMES or (
            nearest_field(name) == "code" and not other
        )
        return near
