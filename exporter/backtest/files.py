"""Files of events read into `Ends`, each event judged as `send` and the exporter would."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from exporter.backtest.ends import Ends
from exporter.backtest.left_out import LeftOut
from exporter.errors import Rejected
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.event import Columns, Decoded, Event, from_json
from exporter.ingest.labels import LabelValues
from exporter.ledger.contract import KEY_BYTES, Family
from exporter.send.events import Occurrences, normalized
from exporter.send.records import Record
from exporter.send.sources import Source
from exporter.taxonomy.model import Taxonomy

_CHUNK: Final = 4096
_MAX_SKEW: Final = 300.0
"""The exporter's default `max_clock_skew`."""
_NEVER_LATE: Final = 1e10
"""Seconds; a history is late as a whole, which says nothing here."""


class Files:
    """Reads files one after the other; what counts goes to `ends`, by system, the rest to `left_out`.

    `only` is the one system to count, None for all. `now` is in Unix seconds; later events are
    rejected as the exporter rejects them. `seen` knows the keys that came before, in all files.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        seen: Occurrences,
        now: float,
        only: str | None = None,
    ) -> None:
        self.left_out = LeftOut()
        self.ends = {
            name: Ends(system) for name, system in taxonomy.systems.items() if only in (None, name)
        }
        self._seen = seen
        self._now = now
        self._classifier = Classifier(taxonomy, LabelValues((), 0, 2), _NEVER_LATE, _MAX_SKEW)

    def read(
        self, source: Source, note: Callable[[str], None], progress: Callable[[], None]
    ) -> None:
        """Counts all of one input; `progress` is called every few thousand events.

        Raises `ConfigError` for times that can't be a history's.
        """
        for records in _chunks(source.read(note)):
            self._count(source.name, records)
            progress()

    def _count(self, name: str, records: list[tuple[int, Record]]) -> None:
        left_out = self.left_out
        left_out.read += len(records)
        events: list[Event] = []
        lines: list[int] = []
        wrong: list[tuple[int, str, str]] = []
        for line, record in records:
            try:
                events.append(_event(record))
                lines.append(line)
            except Rejected as error:
                wrong.append((line, error.reason, error.message))
        columns = Columns.of(events)
        classified = self._classifier.classify(Decoded(columns, len(events)), self._now)
        wrong += [(lines[one.index], one.reason, one.message) for one in classified.rejected]
        for line, reason, message in sorted(wrong):
            left_out.reject(f"{name}:{line}", reason, message)
        counted: dict[str, tuple[list[str], list[float]]] = {}
        for index, code, fresh in zip(
            classified.places, classified.resolved, self._fresh(classified), strict=True
        ):
            at = columns.occurred_at[index]
            if code.system not in self.ends:
                left_out.others += 1
            elif not fresh:
                left_out.duplicates += 1
            elif code.series.family is Family.INTERRUPTIONS:
                left_out.interruptions += 1
            elif at is None:
                left_out.undated += 1
            else:
                codes, times = counted.setdefault(code.system, ([], []))
                codes.append(code.code)
                times.append(at.timestamp())
        for system, (codes, times) in counted.items():
            left_out.counted += len(codes)
            self.ends[system].add(codes, times)

    def _fresh(self, classified: Classified) -> Iterator[bool]:
        """Whether each event is the first with its key; one without a key always is."""
        keys = classified.batch.keys
        for at in range(0, len(keys), KEY_BYTES):
            yield self._seen.number(keys[at : at + KEY_BYTES]) == 1
        yield from [True] * (len(classified.resolved) - len(keys) // KEY_BYTES)


def _chunks(records: Iterable[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    rest = iter(records)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _event(record: Record) -> Event:
    """The event that `send` would post, its labels aside: no rule reads any."""
    if isinstance(record, Rejected):
        raise record
    fields = normalized(record)
    if isinstance(fields.get("labels"), dict):
        del fields["labels"]
    try:
        event = msgspec.convert(fields, Event)
    except msgspec.ValidationError:
        return from_json(fields)
    # Half a surrogate pair passes `convert`, and then no key can be made of it.
    text = "".join(one for one in fields.values() if isinstance(one, str))
    return event if text.isascii() else from_json(fields)
