"""The shipped taxonomies, a listener, and a classifier with its events."""

import json
from datetime import timedelta
from typing import Any

import pytest

from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Media
from exporter.ingest.labels import LabelValues
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import LABELS, NOW, Listener

MAX_AGE, MAX_SKEW = 900, 300
BASE: dict[str, Any] = {
    "system": "streampixel",
    "code": 4001,
    "id": "e-1",
    "session_id": "s-1",
    "occurred_at": "2026-11-20T18:59:00Z",
    "duration_seconds": 12.5,
    "phase": "connect",
    "final": True,
    "labels": {"region": "eu"},
}


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load()


@pytest.fixture
def listener(taxonomy: Taxonomy) -> Listener:
    return Listener(taxonomy)


@pytest.fixture
def classifier(taxonomy: Taxonomy) -> Classifier:
    return make_classifier(taxonomy)


def make_classifier(taxonomy: Taxonomy) -> Classifier:
    return Classifier(taxonomy, LabelValues(LABELS, 50, 32), MAX_AGE, MAX_SKEW)


def classify(classifier: Classifier, *events: Any, text: str = "") -> Classified:
    body = (text or json.dumps(events)).encode()
    decoded = Decoder(1000, 32).decode(Media.JSON, body, {})
    return classifier.classify(decoded, NOW.timestamp())


def classify_one(classifier: Classifier, **fields: Any) -> Classified:
    return classify(classifier, {"system": "softdrive", **fields})


def reason(classifier: Classifier, **fields: Any) -> str | None:
    """The reason of an event's rejection; None when it is valid."""
    rejected = classify_one(classifier, **fields).rejected
    return rejected[0].reason if rejected else None


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()
