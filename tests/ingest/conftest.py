"""What the tests of ingest share: the shipped taxonomies and a listener without a socket."""

import pytest

from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.ingest.listener import Listener


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load()


@pytest.fixture
def listener(taxonomy: Taxonomy) -> Listener:
    return Listener(taxonomy)
