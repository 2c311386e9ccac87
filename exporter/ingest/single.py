"""A single event to a batch: the usual request, for which loops over columns take longer than the event."""

from datetime import UTC, datetime
from typing import Final

from exporter.errors import Rejected
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.event import MAX_DURATION, Decoded
from exporter.ingest.keys import fingerprint, key_of_id
from exporter.ledger.contract import Batch

_SHORT: Final = 100
"""Characters of an id or session id that is shorter than any rule allows."""


class SingleClassifier(Classifier):
    """Classifies single events itself, if they are on time and break no rule, and leaves all others."""

    def classify(self, decoded: Decoded, now: float) -> Classified:
        return self.classify_valid(decoded, now) or super().classify(decoded, now)

    def classify_valid(self, decoded: Decoded, now: float) -> Classified | None:
        """A valid single event that is on time, as `Classifier` classifies it; None for anything else."""
        events = decoded.events
        if decoded.total != 1 or len(events.system) != 1 or decoded.sources:
            return None
        (system,), (code,), (id_,), (session,), (at,), (duration,), (phase,), (final,), *_ = events
        if id_ is None or not _is_short(id_) or (session is not None and not _is_short(session)):
            return None
        if decoded.relative_time or (duration is not None and not 0 <= duration <= MAX_DURATION):
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
            self._users.of(events, series),
        )
        return Classified(batch, range(1), [], [resolved], 0, 0, delay)


def _is_short(text: str) -> bool:
    return 0 < len(text) <= _SHORT and text.isascii()
