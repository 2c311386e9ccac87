"""`ledger_wait = "aof"` on a server that has WAITAOF: Valkey."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.batches import batch
from tests.ledger.home import value
from tests.ledger.redis_home import RedisHome, retried, unavailable
from tests.ledger.redis_server import ValkeyServer


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path / "valkey", "--appendfsync", "everysec") as server:
        yield server


@pytest.fixture
def home(valkey: ValkeyServer) -> RedisHome:
    return RedisHome(valkey.url)


async def test_write_in_the_file_is_acknowledged(home: RedisHome, valkey: ValkeyServer) -> None:
    """A commit of duplicates also writes, because WAITAOF covers only the writes of its own connection."""
    ledger = await home.open(wait=0, shards=1)
    commits = set()
    for accepted in (3, 0):
        receipt = await ledger.commit(batch([1, 2, 3]))
        assert (receipt.accepted, receipt.duplicates) == (accepted, 3 - accepted)
        commits.add(valkey.command("GET", "{0}:commit"))
    assert len(commits) == 2


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (("appendfsync", "no"), "the append-only file did not confirm a write"),
        (("appendonly", "no"), "can't confirm a write: ResponseError: WAITAOF"),
    ],
)
async def test_write_outside_the_file_is_503_and_a_retry_is_exact(
    home: RedisHome, valkey: ValkeyServer, setting: tuple[str, str], problem: str
) -> None:
    ledger = await home.open(wait=0, timeout=1.0)
    [before] = valkey.command("CONFIG", "GET", setting[0])[1:]
    valkey.command("CONFIG", "SET", *setting)
    await unavailable(ledger, 1)
    assert problem in str(ledger.status().problem)
    valkey.command("CONFIG", "SET", setting[0], before)
    await retried(ledger, [1])
    assert value(ledger) == 1
