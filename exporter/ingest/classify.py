"""Events to series: what an event means, whether it is late, and what it is known by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from exporter.errors import Rejected
from exporter.ingest.event import MAX_DURATION, Columns, Decoded, Rejection
from exporter.ingest.keys import Sources, fingerprints, keys
from exporter.ingest.labels import LabelValues
from exporter.ingest.series import Kind, Kinds
from exporter.ledger.contract import Batch, Family, Series
from exporter.taxonomy import Taxonomy

_ID_BYTES: Final = 128
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
"""Year 1 with an offset is before the first instant that can be written in UTC."""
_EXEMPLAR_CHARS: Final = 117
"""OpenMetrics allows 128 characters for an exemplar's label names and values; `session_id` takes 10."""


@dataclass(slots=True)
class Classified:
    """A request's valid events as a batch, and what its metrics and logs need.

    `places` are the events' places in the request, in the batch's order; `delay` is the age in seconds
    of the oldest event with a time.
    """

    batch: Batch
    places: Sequence[int]
    rejected: list[Rejection]
    kinds: Sequence[Kind]
    unkeyed: int
    late: int
    delay: float | None


class Classifier:
    """Knows taxonomy, labels and time limits; keeps what it learned about spellings."""

    def __init__(
        self, taxonomy: Taxonomy, labels: LabelValues, max_age: float, max_skew: float
    ) -> None:
        self._kinds = Kinds(taxonomy)
        self._labels = labels
        self._sources = Sources()
        self._max_age = timedelta(seconds=max_age)
        self._max_skew = timedelta(seconds=max_skew)

    def classify(self, decoded: Decoded, now: float) -> Classified:
        """The batch of a request's valid events; `now` in Unix seconds."""
        events, sources, places = decoded.events, decoded.sources, decoded.places
        rejected = decoded.rejected
        at = datetime.fromtimestamp(now, UTC)
        try:
            kinds = self._resolve(events)
            oldest = self._screen(events, at)
        except Rejected:
            keep, found = self._sift(events, at)
            rejected += [
                Rejection(places[index] if places else index, error.reason, error.message)
                for index, error in found
            ]
            rejected.sort(key=lambda one: one.index)
            events = events.only(keep)
            sources = [sources[index] for index in keep] if sources else None
            places = [places[index] for index in keep] if places else keep
            kinds = self._resolve(events)
            oldest = self._screen(events, at)
        series, late = self._series(events, kinds, oldest, at)
        found_keys = keys(events, kinds, sources, self._sources)
        keyed: Sequence[bytes] = found_keys  # type: ignore[assignment]
        if not all(found_keys):
            # A batch has its keyed events in front.
            order = sorted(range(len(kinds)), key=lambda index: found_keys[index] is None)
            events, series = events.only(order), [series[index] for index in order]
            kinds = [kinds[index] for index in order]
            places = [places[index] if places else index for index in order]
            keyed = list(filter(None, found_keys))
        written = events
        if decoded.aged:
            # A retry's age is measured anew: every one of them was a conflict with its first. Its labels have
            # the values that the site's entry allows now.
            count = len(kinds)
            written = events._replace(occurred_at=(None,) * count, labels=(b"",) * count)
        labels = self._labels.fingerprints(written.labels)
        batch = Batch(
            series,
            b"".join(keyed),
            b"".join(fingerprints(written, kinds, labels)[: len(keyed)]),
            _some(events.duration_seconds),
            _exemplars(events.session_id),
        )
        return Classified(
            batch,
            range(len(kinds)) if places is None else places,
            rejected,
            kinds,
            len(kinds) - len(keyed),
            late,
            (at - oldest).total_seconds() if oldest else None,
        )

    def _resolve(self, events: Columns) -> list[Kind]:
        """Each event's kind. Raises `Rejected` when any has none."""
        labels = (
            [self._labels.none] * len(events.labels)
            if events.labels.count(b"") == len(events.labels)
            else [self._labels[text] for text in events.labels]
        )
        spellings = zip(events.system, events.code, events.phase, events.final, labels, strict=True)
        return list(map(self._kinds.__getitem__, spellings))

    def _screen(self, events: Columns, now: datetime) -> datetime | None:
        """The oldest time among the events. Raises `Rejected` when any breaks a rule."""
        lengths = _lengths(events.id)
        if lengths and not (min(lengths) and max(lengths) <= _ID_BYTES):
            raise Rejected("invalid_field", f"id: must be 1 to {_ID_BYTES} bytes")
        seconds = _present(events.duration_seconds)
        if seconds and not (min(seconds) >= 0 and max(seconds) <= MAX_DURATION):
            raise Rejected(
                "invalid_field", f"duration_seconds: must be 0 to {MAX_DURATION} (a year)"
            )
        times = list(filter(None, events.occurred_at))
        if not times:
            return None
        if max(times) > now + self._max_skew:
            raise Rejected(
                "clock_skew",
                f"occurred_at: more than {self._max_skew.total_seconds():g} s in the future "
                "(max_clock_skew); check the sender's clock",
            )
        oldest = min(times)
        if oldest < _EARLIEST:
            raise Rejected("invalid_field", "occurred_at: earlier than a clock can be")
        return oldest

    def _sift(self, events: Columns, now: datetime) -> tuple[list[int], list[tuple[int, Rejected]]]:
        """Places of the valid events, and places and reasons of the others."""
        keep: list[int] = []
        found: list[tuple[int, Rejected]] = []
        for index in range(len(events.system)):
            one = events.only([index])
            try:
                self._resolve(one)
                self._screen(one, now)
                keep.append(index)
            except Rejected as error:
                found.append((index, error))
        return keep, found

    def _series(
        self, events: Columns, kinds: Sequence[Kind], oldest: datetime | None, now: datetime
    ) -> tuple[list[Series], int]:
        """The series of each event, and how many of them are late."""
        since = now - self._max_age
        if oldest is None or oldest >= since:
            return [kind.series for kind in kinds], 0
        series = [
            kind.late if time is not None and time < since else kind.series
            for kind, time in zip(kinds, events.occurred_at, strict=True)
        ]
        # An interruption stays one however old it is.
        return series, sum(one.family is Family.LATE for one in series)


def _present(numbers: Sequence[float | None]) -> Sequence[float]:
    """The numbers that are there."""
    if numbers.count(None) == len(numbers):
        return ()
    return [number for number in numbers if number is not None]


def _lengths(texts: Sequence[str | None]) -> set[int]:
    """The bytes that the texts that are there have."""
    there = list(filter(None, texts))
    found = set(map(len, there))
    if not "".join(there).isascii():
        found |= {len(text.encode()) for text in there}
    # filter() leaves out empty texts as well, and has no time to lose on telling them from None.
    return found if len(there) == len(texts) else found | {0 for text in texts if text == ""}


def _some(values: Sequence[float | None]) -> Sequence[float | None] | None:
    return values if values.count(None) < len(values) else None


def _exemplars(sessions: Sequence[str | None]) -> Sequence[str | None] | None:
    """Session ids that can be shown as exemplars, None when there is none."""
    if sessions.count(None) == len(sessions):
        return None
    return [one if one and len(one) <= _EXEMPLAR_CHARS else None for one in sessions]
