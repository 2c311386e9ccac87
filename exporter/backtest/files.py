"""Files of events, counted by system; each event is validated as by `send` and the exporter."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from math import inf
from typing import Annotated, Final

import msgspec

from exporter.backtest.counters import Ends
from exporter.backtest.event_counts import EventCounts
from exporter.errors import Rejected
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.event import MAX_LABELS, Columns, Decoded, Event, from_json
from exporter.ingest.labels import LabelValues
from exporter.ingest.plain import event_values
from exporter.ledger.contract import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    REPEAT_WINDOW,
    Family,
)
from exporter.send.events import normalized, numbered_id
from exporter.send.records import Record
from exporter.send.sources import Source
from exporter.taxonomy.model import Taxonomy

_CHUNK: Final = 4096
_LABELS: Final = msgspec.json.Decoder(
    Annotated[dict[str, str], msgspec.Meta(max_length=MAX_LABELS)]
)
_MAX_SKEW: Final = 300.0
"""The exporter's default `max_clock_skew`."""
_CONFLICT: Final = "id: counted before with other content; the first event stands"
_NEVER_LATE: Final = 1e10
"""Seconds; all events of a history are old."""
_MOST_USERS: Final = 1_000_000
"""Pairs of user and code, which take 250 MB. Beyond this number the oldest pair is forgotten."""


class EventReader:
    """Counts the events of files: `ends`, and `counts` of all events.

    `now` is in Unix seconds; later events are rejected, as by the exporter. `note` gets ignored names and the
    first mistakes.
    """

    def __init__(self, taxonomy: Taxonomy, now: float, note: Callable[[str], None]) -> None:
        self.counts = EventCounts(note=note)
        self.ends = Ends(taxonomy)
        self._seen: dict[bytes, bytes] = {}  # the fingerprint of each key, of all files
        self._now = now
        self._repeats = Repeats()
        self._classifier = Classifier(taxonomy, LabelValues((), 0, 2), _NEVER_LATE, _MAX_SKEW)

    def read(self, source: Source) -> None:
        """Counts all events."""
        if not source.columns:
            source.plain = _plain
        records = source.read(self.counts.note)
        equal = Counter[bytes]()
        while chunk := list(islice(records, _CHUNK)):
            self._count(source.name, chunk, equal)
        self.counts.ignored |= source.names.ignored

    def _count(
        self, name: str, records: Sequence[tuple[int, Record | Event]], equal: Counter[bytes]
    ) -> None:
        counts = self.counts
        counts.read += len(records)
        columns, lines, rejected = self._decoded(records, equal)
        classified = self._classifier.classify(Decoded(columns, len(lines)), self._now)
        rejected += [(lines[item.index], item.reason, item.message) for item in classified.rejected]
        ends: dict[str, list[tuple[str, float, bool]]] = {}
        for index, code, verdict in zip(
            classified.places, classified.resolved, self._verdicts(classified), strict=True
        ):
            time = columns.occurred_at[index]
            if verdict == CONFLICT:
                rejected.append((lines[index], "conflict", _CONFLICT))
            elif verdict == DUPLICATE:
                counts.duplicates += 1
            elif code.series.family is Family.INTERRUPTIONS:
                counts.interruptions += 1
            elif time is None:
                counts.undated += 1
            else:
                counts.counted += 1
                at = time.timestamp()
                user = columns.user[index]
                repeat = user is not None and self._repeats.add(code.system, code.code, user, at)
                ends.setdefault(code.system, []).append((code.code, at, repeat))
                if code.unknown is not None:
                    counts.count_unknown(code.system, code.unknown)
        for line, reason, message in sorted(rejected):
            counts.reject(f"{name}:{line}", reason, message)
        for system, counted in ends.items():
            self.ends.add(system, *zip(*counted, strict=True))

    def _decoded(
        self, records: Sequence[tuple[int, Record | Event]], equal: Counter[bytes]
    ) -> tuple[Columns, list[int], list[tuple[int, str, str]]]:
        """The events and the line of each, and the rejected records: line, reason and message."""
        events: list[Event] = []
        lines: list[int] = []
        rejected: list[tuple[int, str, str]] = []
        for line, record in records:
            try:
                if isinstance(record, Rejected):
                    raise record
                if isinstance(record, Event):
                    events.append(record)
                else:
                    fields = normalized(record)
                    if "id" not in fields:
                        fields["id"] = numbered_id(fields, equal)
                    events.append(from_json(fields))
                lines.append(line)
            except Rejected as error:
                rejected.append((line, error.reason, error.message))
        return Columns.of(events), lines, rejected

    def _verdicts(self, classified: Classified) -> list[int]:
        """The ledger's verdict on each event; an event without a key is always accepted."""
        keys, fingerprints = classified.batch.keys, classified.batch.fingerprints
        verdicts = [ACCEPTED] * len(classified.resolved)
        for index in range(len(keys) // KEY_BYTES):
            key = keys[index * KEY_BYTES : (index + 1) * KEY_BYTES]
            content = fingerprints[index * FINGERPRINT_BYTES : (index + 1) * FINGERPRINT_BYTES]
            if first := self._seen.get(key):
                verdicts[index] = DUPLICATE if first == content else CONFLICT
            else:
                self._seen[key] = content
        return verdicts


def _plain(line: str) -> Event | None:
    """The event of a line, as `normalized` and `from_json` make it; None for a line with anything unusual."""
    # `normalized` and `from_json` took more than half of the time of reading.
    with suppress(ValueError, RecursionError, msgspec.MsgspecError):
        values = event_values(line.encode())
        event = Event(*values) if values else None
        if event is None or event.id is None or event.duration_seconds == 0:  # may be -0.0
            return None
        labels = bytes(event.labels)
        # Strings only, and none of the names twice.
        if labels and labels.count(b'"') != 4 * len(_LABELS.decode(labels)):
            return None
        return event
    return None


class Repeats:
    """For each user and code, the latest end that is not a repeat, as in `exporter.ledger.repeats`."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, str], float] = {}

    def add(self, system: str, code: str, user: str, time: float) -> bool:
        """Whether an end is a repeat. `time` is its Unix time, possibly before that of the end before."""
        key = (system, code, user)
        counted = self._counted.pop(key, -inf)
        repeat = abs(time - counted) < REPEAT_WINDOW
        self._counted[key] = counted if repeat else time
        if len(self._counted) > _MOST_USERS:
            del self._counted[next(iter(self._counted))]
        return repeat
