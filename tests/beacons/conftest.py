"""Fixtures of the beacon tests: the shipped taxonomies, and a listener that two sites may send to."""

from pathlib import Path

import pytest

from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.beacons.browsers import Browsers


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load()


@pytest.fixture
def browsers(taxonomy: Taxonomy, tmp_path: Path) -> Browsers:
    return Browsers(taxonomy, tmp_path)
