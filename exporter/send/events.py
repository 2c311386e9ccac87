"""Events as they are sent: known fields in one spelling, and an id that a repeat has again."""

import hashlib
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from exporter.errors import Rejected
from exporter.send.records import FIELDS
from exporter.send.report import Report
from exporter.send.sources import Source

_FIELDS: Final = tuple(sorted(FIELDS))
_CONTENT: Final = tuple(sorted(FIELDS - {"id"}))
_ID_PREFIX: Final = "send1-"
"""Changes with the spelling of the content: the same id with other content is a `conflict`."""
_UTF_8: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_ASCII: Final = json.JSONEncoder(separators=(",", ":"))


class Occurrences(AbstractContextManager["Occurrences"]):
    """Counts digests in bounded memory. Not thread-safe; closed by `with`.

    A dict took 120 bytes an event, 600 MB for a file of 1 GB. SQLite's temporary database stays in
    memory up to the size of its cache, continues in an unnamed file, and leaves nothing behind.
    """

    def __init__(self, cache_kib: int = 64 * 1024) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"PRAGMA cache_size = -{cache_kib}; PRAGMA journal_mode = OFF;"
            "CREATE TABLE seen (digest BLOB PRIMARY KEY, n) WITHOUT ROWID; BEGIN"
        )

    def number(self, digest: bytes) -> int:
        """1 at the digest's first occurrence, 2 at its second, and so on."""
        upsert = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"
        return int(self._database.execute(upsert, (digest,)).fetchone()[0])

    def __exit__(self, *_: object) -> None:
        self._database.close()


@dataclass(frozen=True, slots=True)
class Event:
    """`place` is FILE:LINE, `body` the JSON object in UTF-8, on one line."""

    place: str
    body: bytes


def events(source: Source, report: Report, note: Callable[[str], None]) -> Iterator[Event]:
    """The events of an input, which the exporter validates; `note` gets each warning once.

    Records that are no JSON object or no row of the table are skipped and counted in `report`.
    """
    warned = False
    with Occurrences() as seen:
        for line, record in source.read(note):
            place = f"{source.name}:{line}"
            report.read += 1
            try:
                if isinstance(record, Rejected):
                    raise record
                fields = normalized(record)
                unidentified = fields.keys().isdisjoint(("id", "session_id", "occurred_at"))
                event = Event(place, _encoded(fields, seen))
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

    null and "" are absent, as is `final: true`, the default; the code 4001 is "4001". Values that
    break a rule stay as they are: the exporter refuses them.
    """
    fields = {name: record[name] for name in _FIELDS if record.get(name) not in (None, "")}
    if type(code := fields.get("code")) is int:
        fields["code"] = str(code)
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


def _encoded(fields: dict[str, Any], seen: Occurrences) -> bytes:
    """The event as JSON. Without `id` it gets an id from its content and from its number among the
    events of the input with the same content."""
    try:
        if "id" not in fields:
            content = _ASCII.encode([fields.get(name) for name in _CONTENT])
            digest = hashlib.blake2b(content.encode("ascii"), digest_size=16).digest()
            fields["id"] = f"{_ID_PREFIX}{digest.hex()}-{seen.number(digest)}"
        return _UTF_8.encode(fields).encode("utf-8")
    except UnicodeEncodeError:
        # A single \ud800 would make the whole request unparseable.
        raise Rejected(
            "invalid_field", "a string is not UTF-8, or has half a surrogate pair"
        ) from None
