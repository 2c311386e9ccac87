"""What only an engine with WAITAOF shows; Valkey, whose newest version keeps the whole contract too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.batches import batch
from tests.ledger.redis_home import RedisHome, retried, unavailable
from tests.ledger.redis_server import ValkeyServer
from tests.ledger.shown import value


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path / "valkey", "--appendfsync", "everysec") as one:
        yield one


@pytest.fixture
def home(valkey: ValkeyServer) -> RedisHome:
    return RedisHome(valkey.url)


async def test_what_is_in_the_file_is_acknowledged(home: RedisHome) -> None:
    ledger = await home.open(wait=0)
    for accepted in (3, 0):
        receipt = await ledger.commit(batch([1, 2, 3]))
        assert (receipt.accepted, receipt.duplicates) == (accepted, 3 - accepted)
    await ledger.close()


async def test_a_file_that_is_not_synced_is_answered_503_and_a_retry_does_not_slip_through(
    home: RedisHome, valkey: ValkeyServer
) -> None:
    """A retry that finds only duplicates writes nothing of its own: WAITAOF would be content at once."""
    ledger = await home.open(wait=0, timeout=1.0)
    valkey.command("CONFIG", "SET", "appendfsync", "no")
    for _ in range(2):
        await unavailable(ledger, 1)
        assert "not its append-only file confirmed" in str(ledger.status().problem)
        ledger._problem = None
    valkey.command("CONFIG", "SET", "appendfsync", "everysec")
    await retried(ledger, [1])
    assert value(ledger) == 1
    await ledger.close()


async def test_an_engine_without_a_file_is_answered_503(
    home: RedisHome, valkey: ValkeyServer
) -> None:
    ledger = await home.open(wait=0)
    valkey.command("CONFIG", "SET", "appendonly", "no")
    await unavailable(ledger, 1)
    assert "can't confirm a write: ResponseError: WAITAOF" in str(ledger.status().problem)
    valkey.command("CONFIG", "SET", "appendonly", "yes")
    await retried(ledger, [1])
    assert value(ledger) == 1
    await ledger.close()
