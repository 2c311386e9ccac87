"""Single events: they are classified like the columns of a batch."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given, settings

from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import Decoded
from exporter.ingest.media import Media
from exporter.taxonomy import Taxonomy
from tests.ingest.classifying import make_classifier
from tests.ingest.listener import NOW
from tests.ingest.test_direct import event, good

FULL = {
    "system": "softdrive",
    "code": "01",
    "id": "a",
    "session_id": "s-1",
    "occurred_at": "2026-11-20T18:59:59Z",
    "duration_seconds": 12.5,
    "phase": "connect",
    "final": True,
    "user": "u-1",
    "labels": {"region": "eu"},
}


def decoded(value: object) -> Decoded:
    return Decoder(10, 32).decode(Media.JSON, json.dumps(value).encode(), {})


def columns(classified: Classified) -> list[Any]:
    batch = classified.batch
    return [
        *(list(batch.series), batch.keys, batch.fingerprints),
        *(column and list(column) for column in (batch.durations, batch.sessions, batch.users)),
        *(list(classified.places), classified.rejected, list(classified.resolved)),
        *(classified.unkeyed, classified.late, classified.delay),
    ]


@settings(deadline=None)
@given(value=event | good)
def test_single_event_is_classified_as_a_batch_of_one(
    taxonomy: Taxonomy, value: dict[str, Any]
) -> None:
    classifier = make_classifier(taxonomy)
    now = NOW.timestamp()
    # With the same classifier: its key for hashes of users is random.
    expected = columns(classifier.classify_columns(decoded(value), now))
    assert columns(classifier.classify(decoded(value), now)) == expected


def test_time_that_was_computed_from_an_age_is_not_in_the_fingerprint(
    classifier: Classifier,
) -> None:
    """Fails without `relative_time` in `classify_single`: each retry was a conflict."""
    fingerprints = {
        classifier.classify(
            replace(decoded({**FULL, "occurred_at": at}), relative_time=True), NOW.timestamp()
        ).batch.fingerprints
        for at in ("2026-11-20T18:59:58Z", "2026-11-20T18:59:59Z")
    }
    assert len(fingerprints) == 1


def test_plain_event_is_classified_by_classify_single(classifier: Classifier) -> None:
    for value in (FULL, {"system": "softdrive", "id": "b"}):
        assert classifier.classify_single(decoded(value), NOW.timestamp())
