"""Events as they are sent: known fields in one spelling, and an id that does not change when resent."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from exporter.errors import Rejected
from exporter.event_fields import FIELDS, PLACEHOLDERS
from exporter.send.envelopes import CloudEvent
from exporter.send.report import Report
from exporter.send.rotation import Checkpoint
from exporter.send.sources import Source

_FIELDS: Final = tuple(sorted(FIELDS))
_CONTENT: Final = tuple(name for name in _FIELDS if name not in ("id", "user"))
_MAX_CONTENTS: Final = 1_000_000
"""Different contents of an input that are remembered at a time: a pipe may have no end."""
_EARLIER: Final = b""
"""The key of the number of events before the remembered contents."""
_ID_PREFIX: Final = "send1-"
"""Change it when `normalized` changes: the same id with other content is a `conflict`."""
_UTF_8: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII: Final = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """`place` is FILE:LINE, `body` the JSON object in UTF-8, on one line."""

    place: str
    body: bytes
    cloudevent: bool = False  # whether the body is an envelope
    checkpoint: Checkpoint | None = None  # the position after the event in a followed file


def events(source: Source, report: Report, note: Callable[[str], None]) -> Iterator[Event]:
    """The events of an input, which the exporter validates; `note` gets each warning once.

    Records that are no JSON object or no row of the table are skipped and counted in `report`.
    """
    warned = source.checkpoint is not None
    seen = Counter[bytes]()
    for line, record in source.read(note):
        place = f"{source.name}:{line}"
        report.read += 1
        try:
            if isinstance(record, Rejected):
                raise record
            fields = normalized(record)
            unidentified = fields.keys().isdisjoint(("id", "session_id", "occurred_at"))
            attributes = record.attributes if isinstance(record, CloudEvent) else None
            event = _event(place, fields, attributes, seen, source.checkpoint)
        except Rejected as error:
            report.skip(place, error.message)
            continue
        if unidentified and not warned:
            warned = True
            note(
                f"{place}: without id, session_id and occurred_at, an event counts as the same "
                "event as an equal event in another file"
            )
        yield event


def normalized(record: dict[str, Any]) -> dict[str, Any]:
    """The known fields in a fixed order and one spelling, so that equal events have equal ids.

    null and "" are absent, as are ids in `PLACEHOLDERS` and `final: true`, the default; the code or id 4001
    is "4001". Values that break a rule stay as they are: the exporter rejects them.
    """
    fields = {name: record[name] for name in _FIELDS if record.get(name) not in (None, "")}
    for name in ("code", "id", "session_id", "user"):
        value: Any = fields.get(name)
        if type(value) is int:
            fields[name] = str(value)
        elif name != "code" and isinstance(value, str) and value in PLACEHOLDERS:
            del fields[name]
    duration: Any = fields.get("duration_seconds")
    if type(duration) in (int, float) and abs(duration) <= sys.float_info.max:
        fields["duration_seconds"] = duration + 0.0  # -0.0 + 0.0 is 0.0
    if fields.get("final") is True:
        del fields["final"]
    if isinstance(labels := fields.get("labels"), dict):
        fields["labels"] = {name: labels[name] for name in sorted(labels) if labels[name]}
        if not fields["labels"]:
            del fields["labels"]
    return fields


def numbered_id(fields: dict[str, Any], seen: Counter[bytes]) -> str:
    """An id for an event without one. Equal events of an input, which has `seen`, differ by their number."""
    digest = _digest(fields)
    if len(seen) > _MAX_CONTENTS:
        earlier = seen.total()
        seen.clear()
        seen[_EARLIER] = earlier
    seen[digest] += 1
    number = seen[digest]
    # With both fields, the event has the same id when it is sent again from another place of a pipe.
    if "session_id" not in fields or "occurred_at" not in fields:
        number += seen[_EARLIER]
    return f"{_ID_PREFIX}{digest.hex()}-{number}"


def _digest(fields: dict[str, Any]) -> bytes:
    content = _ASCII.encode([fields.get(name) for name in _CONTENT])
    return hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()


def _event(
    place: str,
    fields: dict[str, Any],
    attributes: dict[str, str] | None,
    seen: Counter[bytes],
    checkpoint: Checkpoint | None,
) -> Event:
    """The event as JSON, with its own id or a made id that does not change when the event is resent."""
    try:
        if "id" not in fields:
            # In a followed file, earlier equal lines may be gone with a rotation: the position is the number.
            if checkpoint is None:
                fields["id"] = numbered_id(fields, seen)
            elif "session_id" in fields and "occurred_at" in fields:
                fields["id"] = f"{_ID_PREFIX}{_digest(fields).hex()}-1"
            else:
                fields["id"] = checkpoint.id_of(_digest(fields))
        event: dict[str, Any] = fields
        if attributes:
            del fields["id"]
            event = {**attributes, "data": fields}
        body = _UTF_8.encode(event).encode("utf-8")
    except UnicodeEncodeError as error:
        # A single \ud800 would make the whole request unparseable.
        raise Rejected(
            "invalid_field", _not_unicode(error.object[error.start : error.end])
        ) from None
    return Event(place, body, attributes is not None, checkpoint)


def _not_unicode(text: str) -> str:
    """Why a text cannot be encoded: bytes that are not UTF-8 were decoded as U+DC80 to U+DCFF."""
    if not all("\udc80" <= character <= "\udcff" for character in text):
        return "a string contains a lone surrogate"
    shown = text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return (
        f"not UTF-8; is it Windows-1252, with {shown[:20]!r}? Save it as UTF-8, or "
        "iconv -f windows-1252 -t utf-8 FILE | session-end-exporter send -"
    )
