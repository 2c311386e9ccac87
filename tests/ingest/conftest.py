"""Fixtures of the ingest tests: the shipped taxonomies, a listener and a classifier."""

import pytest

from exporter.ingest.classify import Classifier
from exporter.ingest.labels import LabelValues
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.ingest.classifying import MAX_AGE, MAX_SKEW
from tests.ingest.listener import LABELS, Listener


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load()


@pytest.fixture
def listener(taxonomy: Taxonomy) -> Listener:
    return Listener(taxonomy)


@pytest.fixture
def classifier(taxonomy: Taxonomy) -> Classifier:
    return Classifier(taxonomy, LabelValues(LABELS, 50, 32), MAX_AGE, MAX_SKEW)
