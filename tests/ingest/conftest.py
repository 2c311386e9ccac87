"""Fixtures of the ingest tests: the shipped taxonomies, a listener and a classifier."""

import pytest

from exporter.ingest.classify import Classifier
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.ingest.classifying import make_classifier
from tests.ingest.listener import Listener


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load()


@pytest.fixture
def listener(taxonomy: Taxonomy) -> Listener:
    return Listener(taxonomy)


@pytest.fixture
def classifier(taxonomy: Taxonomy) -> Classifier:
    return make_classifier(taxonomy)
