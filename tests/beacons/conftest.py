"""The shipped taxonomies, and a listener to which two sites may send events."""

from pathlib import Path

import pytest

from exporter.taxonomy import Taxonomy
from tests.beacons.browsers import Browsers
from tests.ingest.conftest import taxonomy

__all__ = ["taxonomy"]


@pytest.fixture
def browsers(taxonomy: Taxonomy, tmp_path: Path) -> Browsers:
    return Browsers(taxonomy, tmp_path)
