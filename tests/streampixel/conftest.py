import logging
from collections.abc import Iterator

import pytest

from exporter import logs
from tests.streampixel.stats_server import StatsServer


@pytest.fixture(autouse=True)
def exporter_log() -> Iterator[None]:
    """The exporter's logging, unaffected by other tests."""
    handlers = list(logging.getLogger().handlers)
    logs.configure("info")
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger("exporter").setLevel(logging.NOTSET)


@pytest.fixture
def server() -> Iterator[StatsServer]:
    with StatsServer() as server:
        yield server
