"""What tests of more than one way to deploy have in common."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.root import give


@pytest.fixture
def root_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which root leaves files of other users."""
    give(tmp_path, os.getuid(), os.getgid())
    yield tmp_path
    # Who runs the tests could not remove it otherwise.
    give(tmp_path, os.getuid(), os.getgid())
