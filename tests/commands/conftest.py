"""A running exporter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.exporter_process import ExporterProcess


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path / "data") as exporter:
        yield exporter
