"""Single events: they are classified like the columns of a batch."""

import json
from typing import Any

from hypothesis import given, settings

from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import Decoded
from exporter.ingest.media import Media
from exporter.taxonomy import Taxonomy
from tests.ingest.classifying import BASE, make_classifier
from tests.ingest.listener import NOW
from tests.ingest.test_direct import event, good


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


def test_plain_event_is_classified_by_classify_single(classifier: Classifier) -> None:
    for value in ({**BASE, "user": "u-1"}, {"system": "softdrive", "id": "b"}):
        assert classifier.classify_single(decoded(value), NOW.timestamp())
