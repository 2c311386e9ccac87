"""Fixtures of the ledger's tests: async tests and stores."""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import small_disk
from tests.ledger.home import RedisHome, SqliteHome, close_ledgers
from tests.ledger.redis_server import RedisCluster, RedisServer, ValkeyServer

_DEADLINE = 300.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test with a deadline on an event loop of its own, and close its ledgers."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        try:
            await pyfuncitem.obj(**arguments)
        finally:
            await close_ledgers()

    asyncio.run(asyncio.wait_for(run(), _DEADLINE))
    return True


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteHome | RedisHome:
    """A folder for ledgers; in modules `test_redis_*` without a `home` of their own, the shared Redis
    server."""
    if "test_redis_" in request.path.name:
        return RedisHome(request.getfixturevalue("server").url)
    return SqliteHome(tmp_path / "data")


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests; each empties it first."""
    with RedisServer(tmp_path_factory.mktemp("redis") / "server") as server:
        yield server


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The server, empty, and with its settings restored at the end."""
    redis_server.empty()
    yield redis_server
    redis_server.command("CONFIG", "SET", "maxmemory", 0)
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis_server.command("CONFIG", "SET", "appendonly", "yes")


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all tests; each empties it first."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "server") as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three masters and three replicas for all tests; each empties them first."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
