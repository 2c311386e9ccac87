"""Turns a request's events into a batch: series, late events, keys and fingerprints."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from exporter.errors import Rejected
from exporter.ingest.event import MAX_DURATION, Columns, Decoded, FieldMatcher, Rejection
from exporter.ingest.keys import fingerprint, fingerprints, key_of_id, keys, user_hashes
from exporter.ingest.labels import LabelValues
from exporter.ingest.resolver import ResolvedCode, Resolver
from exporter.ledger.contract import Batch, Family, Series
from exporter.taxonomy.model import Taxonomy

_ID_BYTES: Final = 128
_SHORT: Final = 100
"""Characters up to which an ASCII id or session id is within all limits."""
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
"""Year 1 with an offset can be before the first instant that UTC can express."""
_EXEMPLAR_CHARS: Final = 117
"""OpenMetrics allows 128 characters for an exemplar's label names and values; `session_id` takes 10."""


@dataclass(slots=True)
class Classified:
    """A request's valid events as a batch, and the values for metrics and logs.

    `places` are the events' places in the request, in the batch's order; `received` is the Unix time of the
    receipt, `delay` the age in seconds of the oldest event that has a time.
    """

    batch: Batch
    places: Sequence[int]
    rejected: list[Rejection]
    resolved: Sequence[ResolvedCode]
    unkeyed: int
    late: int
    received: float
    delay: float | None
    ignored: FieldMatcher | None


class Classifier:
    """Classifies events; remembers resolved codes and label values between requests."""

    def __init__(
        self, taxonomy: Taxonomy, labels: LabelValues, max_age: float, max_skew: float
    ) -> None:
        self._resolver = Resolver(taxonomy, labels.admit)
        self._labels = labels
        self._user_key = secrets.token_bytes(32)
        self._max_age = timedelta(seconds=max_age)
        self._max_skew = timedelta(seconds=max_skew)

    def classify(self, decoded: Decoded, now: float) -> Classified:
        """The batch of a request's valid events; `now` in Unix seconds."""
        return self.classify_single(decoded, now) or self.classify_columns(decoded, now)

    def classify_columns(self, decoded: Decoded, now: float) -> Classified:
        """`classify` for any request."""
        events, sources, rejected = decoded.events, decoded.sources, decoded.rejected
        places = range(len(events.system)) if decoded.places is None else decoded.places
        at = datetime.fromtimestamp(now, UTC)
        try:
            resolved, oldest = self._resolve(events, at)
        except Rejected:
            valid, invalid = self._partition(events, places, at)
            rejected += invalid
            rejected.sort(key=lambda rejection: rejection.index)
            events = events.only(valid)
            sources = [sources[index] for index in valid] if sources else None
            places = [places[index] for index in valid]
            resolved, oldest = self._resolve(events, at)
        series, late = self._series(events, resolved, oldest, at)
        event_keys = keys(events, resolved, sources)
        keyed: Sequence[bytes] = event_keys  # type: ignore[assignment]
        if not all(event_keys):
            # A batch starts with the events that have a key.
            order = sorted(range(len(resolved)), key=lambda index: event_keys[index] is None)
            events, series = events.only(order), [series[index] for index in order]
            resolved = [resolved[index] for index in order]
            places = [places[index] for index in order]
            keyed = list(filter(None, event_keys))
        sent = events
        if decoded.relative_time:
            # Without time and labels, or a retry would be a conflict: its time is computed from another age,
            # and its labels depend on the site's present entry.
            count = len(resolved)
            sent = events._replace(occurred_at=(None,) * count, labels=(b"",) * count)
        labels = self._labels.fingerprints(sent.labels)
        durations = events.duration_seconds
        batch = Batch(
            series,
            b"".join(keyed),
            b"".join(fingerprints(sent, resolved, labels)[: len(keyed)]),
            durations if durations.count(None) < len(durations) else None,
            _exemplars(events.session_id),
            user_hashes(events, series, self._user_key),
        )
        return Classified(
            batch,
            places,
            rejected,
            resolved,
            len(resolved) - len(keyed),
            late,
            now,
            (at - oldest).total_seconds() if oldest else None,
            decoded.ignored,
        )

    def classify_single(self, decoded: Decoded, now: float) -> Classified | None:
        """`classify` for one event that is valid and on time, without loops; None for anything else."""
        events = decoded.events
        # Only events with a source, such as beacons, have relative times.
        if decoded.total != 1 or len(events.system) != 1 or decoded.sources:
            return None
        (system,), (code,), (id_,), (session,), (at,), (duration,), (phase,), (final,), *_ = events
        if id_ is None or not _is_short(id_) or (session is not None and not _is_short(session)):
            return None
        if duration is not None and not 0 <= duration <= MAX_DURATION:
            return None
        delay = None
        if at is not None:
            age = datetime.fromtimestamp(now, UTC) - at
            if not -self._max_skew <= age <= self._max_age:
                return None
            delay = age.total_seconds()
        try:
            resolved = self._resolver[system, code, phase, final, self._labels[events.labels[0]]]
        except Rejected:
            return None
        series = [resolved.series]
        (labels,) = self._labels.fingerprints(events.labels) or (0,)
        batch = Batch(
            series,
            key_of_id(system, id_),
            fingerprint(session, at, duration, resolved.seed, labels),
            [duration] if duration is not None else None,
            [session] if session is not None else None,
            user_hashes(events, series, self._user_key),
        )
        return Classified(batch, range(1), [], [resolved], 0, 0, now, delay, decoded.ignored)

    def _resolve(
        self, events: Columns, now: datetime
    ) -> tuple[list[ResolvedCode], datetime | None]:
        """The resolved code of each event, and the oldest time. Raises `Rejected` for an invalid event."""
        if not _valid_ids(events.id):
            raise Rejected("invalid_field", f"id: must be 1 to {_ID_BYTES} bytes")
        if events.duration_seconds.count(None) < len(events.duration_seconds):
            durations = [seconds for seconds in events.duration_seconds if seconds is not None]
            if not (min(durations) >= 0 and max(durations) <= MAX_DURATION):
                raise Rejected(
                    "invalid_field", f"duration_seconds: must be 0 to {MAX_DURATION} (a year)"
                )
        times = list(filter(None, events.occurred_at))
        if times and max(times) > now + self._max_skew:
            raise Rejected(
                "clock_skew",
                f"occurred_at: more than {self._max_skew.total_seconds():g} s in the future "
                "(max_clock_skew); compare the clocks of sender and exporter",
            )
        oldest = min(times, default=None)
        if oldest and oldest < _EARLIEST:
            raise Rejected("invalid_field", "occurred_at: must be 0001-01-02 or later")
        # Last, and event by event: the resolver admits the label values of a valid event, and they count
        # toward the bound for the next event. If the ledger refuses the batch, its retry has the same values.
        labels = (
            [self._labels.none] * len(events.labels)
            if events.labels.count(b"") == len(events.labels)
            else map(self._labels.__getitem__, events.labels)
        )
        return self._resolver.resolve(events, labels), oldest

    def _partition(
        self, events: Columns, places: Sequence[int], now: datetime
    ) -> tuple[list[int], list[Rejection]]:
        """Indexes of the valid events, and the rejections of the others."""
        valid: list[int] = []
        invalid: list[Rejection] = []
        for index, place in enumerate(places):
            try:
                self._resolve(events.only([index]), now)
                valid.append(index)
            except Rejected as error:
                invalid.append(Rejection(place, error.reason, error.message))
        return valid, invalid

    def _series(
        self,
        events: Columns,
        resolved: Sequence[ResolvedCode],
        oldest: datetime | None,
        now: datetime,
    ) -> tuple[list[Series], int]:
        """The series of each event, and how many events are late."""
        since = now - self._max_age
        if oldest is None or oldest >= since:
            return [code.series for code in resolved], 0
        series = [
            code.late if time is not None and time < since else code.series
            for code, time in zip(resolved, events.occurred_at, strict=True)
        ]
        # Interruptions have no late series.
        return series, sum(each.family is Family.LATE for each in series)


def _is_short(text: str) -> bool:
    return 0 < len(text) <= _SHORT and text.isascii()


def _valid_ids(ids: Sequence[str | None]) -> bool:
    """Whether each id has 1 to 128 bytes; None is valid."""
    # filter() drops empty texts too; a test for None only would take longer.
    filled = list(filter(None, ids))
    if len(filled) < len(ids) and "" in ids:
        return False
    longest = max(set(map(len, filled)), default=0)
    if longest > _ID_BYTES or "".join(filled).isascii():
        return longest <= _ID_BYTES
    return max(len(text.encode()) for text in filled) <= _ID_BYTES


def _exemplars(sessions: Sequence[str | None]) -> Sequence[str | None] | None:
    """Session ids that fit into an exemplar; None when no event has a session."""
    filled = list(filter(None, sessions))
    if not filled:
        return None
    if len(filled) == len(sessions) and max(set(map(len, filled))) <= _EXEMPLAR_CHARS:
        return sessions
    return [
        session if session and len(session) <= _EXEMPLAR_CHARS else None for session in sessions
    ]
