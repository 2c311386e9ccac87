"""One session-end event as a sender wrote it: fields checked for type, not yet for meaning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec.structs import astuple

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""RFC 3339 wants an offset; without one the same text means another instant on another machine."""

MAX_DURATION: Final = 366 * 86400
"""Seconds, a year: two durations of 1e308 made the sum of all of them infinite for good."""
_NO_LABELS: Final = msgspec.Raw()


class Event(msgspec.Struct, gc=False):
    """The fields of the contract's event. Absent and null are alike, unknown fields are gone.

    `labels` is the JSON text of the labels object, because most events carry one of a few.
    """

    system: str
    code: str | int | None = None
    id: str | None = None
    session_id: str | None = None
    occurred_at: Time | None = None
    duration_seconds: float | None = None
    phase: str | None = None
    final: bool | None = None
    labels: msgspec.Raw = _NO_LABELS


class Columns(NamedTuple):
    """The same events field by field, each a tuple with an entry an event: C loops run over these."""

    system: Sequence[str]
    code: Sequence[str | int | None]
    id: Sequence[str | None]
    session_id: Sequence[str | None]
    occurred_at: Sequence[datetime | None]
    duration_seconds: Sequence[float | None]
    phase: Sequence[str | None]
    final: Sequence[bool | None]
    labels: Sequence[bytes]

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Columns":
        columns = list(zip(*map(astuple, events), strict=True)) or [()] * len(cls._fields)
        labels = columns.pop()
        # Events without labels share the field's default, and a tuple counts one object fast.
        none = labels.count(_NO_LABELS) == len(labels)
        texts = (b"",) * len(labels) if none else tuple(map(bytes, labels))
        return cls(*columns, texts)  # type: ignore[call-arg]

    def only(self, places: Sequence[int]) -> "Columns":
        """The events at these places."""
        return Columns(*([column[place] for place in places] for column in self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that is not counted, by its place in the request; `message` names field and rule."""

    index: int
    reason: str
    message: str

    def as_json(self) -> dict[str, object]:
        return {"index": self.index, "reason": self.reason, "message": self.message}


@dataclass(slots=True)
class Decoded:
    """A request's events.

    `places` are where `events` stood in the request, None when they are all of it; `sources` are their
    CloudEvents sources, None for the plain formats. `total` counts the events that were sent. `aged`: times
    were made of ages, so they differ a little each time an event is sent.
    """

    events: Columns
    total: int
    rejected: list[Rejection] = field(default_factory=list)
    places: Sequence[int] | None = None
    sources: Sequence[str] | None = None
    aged: bool = False
