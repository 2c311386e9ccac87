"""The pager of a module."""

from collections.abc import Iterator

import pytest

from tests.e2e.pager import Pager, running_pager


@pytest.fixture(scope="module")
def pager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pager]:
    with running_pager(tmp_path_factory.mktemp("pager")) as pager:
        yield pager
