"""Files of events, counted by system; each event is validated as by `send` and the exporter."""

from collections.abc import Callable
from itertools import islice
from typing import Final

import msgspec

from exporter.backtest.ends import Ends
from exporter.backtest.event_counts import EventCounts
from exporter.errors import Rejected
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.event import Columns, Decoded, Event, from_json
from exporter.ingest.labels import LabelValues
from exporter.ledger.contract import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    Family,
)
from exporter.send.events import normalized
from exporter.send.records import Record
from exporter.send.seen import Seen
from exporter.send.sources import Source
from exporter.taxonomy.model import Taxonomy

_CHUNK: Final = 4096
_MAX_SKEW: Final = 300.0
"""The exporter's default `max_clock_skew`."""
_CONFLICT: Final = "id: counted before with other content; the first event stands"
_NEVER_LATE: Final = 1e10
"""Seconds; all events of a history are old."""


class Files:
    """Counts the events of files: `ends` by system, and `counts` of all events.

    `only` is the only system to count, None for all. `now` is in Unix seconds; later events are rejected, as
    by the exporter. `seen` has the keys of earlier events, of all files, with their fingerprints.
    """

    def __init__(self, taxonomy: Taxonomy, seen: Seen, now: float, only: str | None = None) -> None:
        self.counts = EventCounts()
        self.ends = {
            name: Ends(system) for name, system in taxonomy.systems.items() if only in (None, name)
        }
        self._seen = seen
        self._now = now
        self._classifier = Classifier(taxonomy, LabelValues((), 0, 2), _NEVER_LATE, _MAX_SKEW)

    def read(
        self, source: Source, note: Callable[[str], None], progress: Callable[[], None]
    ) -> None:
        """Counts all events of an input; calls `progress` every few thousand events.

        Raises `ConfigError` for times that are too far apart.
        """
        records = source.read(note)
        while chunk := list(islice(records, _CHUNK)):
            self._count(source.name, chunk)
            progress()
        self.counts.ignored |= source.names.ignored

    def _count(self, name: str, records: list[tuple[int, Record]]) -> None:
        counts = self.counts
        counts.read += len(records)
        columns, lines, rejected = self._decoded(records)
        classified = self._classifier.classify(Decoded(columns, len(lines)), self._now)
        rejected += [(lines[item.index], item.reason, item.message) for item in classified.rejected]
        ends: dict[str, tuple[list[str], list[float]]] = {}
        for index, code, verdict in zip(
            classified.places, classified.resolved, self._verdicts(classified), strict=True
        ):
            time = columns.occurred_at[index]
            if code.system not in self.ends:
                counts.other_systems += 1
            elif verdict == CONFLICT:
                rejected.append((lines[index], "conflict", _CONFLICT))
            elif verdict == DUPLICATE:
                counts.duplicates += 1
            elif code.series.family is Family.INTERRUPTIONS:
                counts.interruptions += 1
            elif time is None:
                counts.undated += 1
            else:
                codes, times = ends.setdefault(code.system, ([], []))
                codes.append(code.code)
                times.append(time.timestamp())
                if code.unknown is not None:
                    counts.count_unknown(code.system, code.unknown)
        for line, reason, message in sorted(rejected):
            counts.reject(f"{name}:{line}", reason, message)
        for system, (codes, times) in ends.items():
            counts.counted += len(codes)
            self.ends[system].add(codes, times)

    def _decoded(
        self, records: list[tuple[int, Record]]
    ) -> tuple[Columns, list[int], list[tuple[int, str, str]]]:
        """The events, the line of each, and the rejected records: line, reason and message."""
        events: list[Event] = []
        lines: list[int] = []
        rejected: list[tuple[int, str, str]] = []
        for line, record in records:
            try:
                events.append(_event(record))
                lines.append(line)
            except Rejected as error:
                rejected.append((line, error.reason, error.message))
        return Columns.of(events), lines, rejected

    def _verdicts(self, classified: Classified) -> list[int]:
        """The ledger's verdict on each event; an event without a key is always accepted."""
        keys, fingerprints = (
            [data[at : at + size] for at in range(0, len(data), size)]
            for data, size in (
                (classified.batch.keys, KEY_BYTES),
                (classified.batch.fingerprints, FINGERPRINT_BYTES),
            )
        )
        verdicts = list(map(self._verdict, keys, fingerprints))
        return verdicts + [ACCEPTED] * (len(classified.resolved) - len(keys))

    def _verdict(self, key: bytes, fingerprint: bytes) -> int:
        n, first = self._seen.add(key, fingerprint)
        if n == 1:
            return ACCEPTED
        return DUPLICATE if first == fingerprint else CONFLICT


def _event(record: Record) -> Event:
    """The event that `send` would post, without its labels: no rule reads labels."""
    if isinstance(record, Rejected):
        raise record
    fields = normalized(record)
    if isinstance(fields.get("labels"), dict):
        del fields["labels"]
    try:
        event = msgspec.convert(fields, Event)
    except msgspec.ValidationError:
        return from_json(fields)
    # `convert` accepts half a surrogate pair, which cannot be part of a key.
    text = "".join(value for value in fields.values() if isinstance(value, str))
    return event if text.isascii() else from_json(fields)
