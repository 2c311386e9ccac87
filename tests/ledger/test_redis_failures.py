"""Failures of Redis during a write: every failure is a 503, and a retry is exact."""

import asyncio
import time

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.redis.connection import RedisSettings, ServerConnection
from exporter.settings.ledger_address import parse
from tests.e2e.prometheus_process import free_port
from tests.ledger.batches import FAILURE, batch, key
from tests.ledger.home import RedisHome, logged, recovered, retried, unavailable, until, value
from tests.ledger.redis_server import RedisServer, ValkeyServer


async def test_flushed_scripts_are_loaded_again(home: RedisHome, server: RedisServer) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    server.command("SCRIPT", "FLUSH")
    await unavailable(ledger, *range(40))
    await retried(ledger, range(40))
    assert value(ledger) == 40


async def test_out_of_memory_writes_nothing_and_a_retry_is_exact(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when the script can run out of memory halfway: its first writes remain and are not counted."""
    ledger = await home.open(zero=[FAILURE])
    await ledger.commit(batch([1]))
    keys = server.command("DBSIZE")
    server.command("CONFIG", "SET", "maxmemory", 1)
    user = [b"one user"]
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([500], users=user))
    await until(lambda: ledger.status().problem is not None)
    refusal = await unavailable(ledger, *range(500))
    assert "maxmemory" in str(ledger.status().problem)
    assert refusal.retry_after
    assert server.command("DBSIZE") == keys
    assert value(ledger) == 1
    server.command("CONFIG", "SET", "maxmemory", 0)
    await recovered(ledger)
    receipt = await ledger.commit(batch(range(500)))
    assert (receipt.accepted, value(ledger)) == (499, 500)
    # The retry is not a repeat.
    await ledger.commit(batch([500], users=user))
    assert value(ledger, FAILURE.of_repeats()) == 0


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("SET", "{0}:series", "x"), "WRONGTYPE"),
        (("HSET", "{0}:commit", "x", "x"), "WRONGTYPE"),
        (("HSET", "{0}:series", "SERIES", "not a record"), "ResponseError"),
        (("HSET", "{0}:durations", "CELL", "1.0 2|"), "ResponseError"),
    ],
)
async def test_damaged_key_is_refused_before_the_first_write(
    home: RedisHome, server: RedisServer, command: tuple[str, ...], problem: str
) -> None:
    """Redis does not roll back a script that fails halfway."""
    ledger = await home.open(shards=1)
    await ledger.commit(batch([1], durations=[1.0]))
    [series] = server.command("HKEYS", "{0}:series")
    [cell] = server.command("HKEYS", "{0}:durations")
    names = {"SERIES": series, "CELL": cell}
    if problem == "WRONGTYPE":
        server.command("DEL", command[1])
    server.command(*(names.get(part, part) for part in command))
    before = server.command("DBSIZE")
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([2, 3], durations=[1.0, 2.0]))
    assert problem in str(ledger.status().problem)
    assert server.command("DBSIZE") == before


async def test_id_key_of_another_type_does_not_stop_the_script(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(shards=1)
    server.command("LPUSH", b"{0}:" + key(5), "x")
    assert (await ledger.commit(batch(range(10)))).accepted == 10
    assert (await ledger.commit(batch(range(10)))).duplicates == 10


@pytest.mark.parametrize("command", ["hset", "set", "time"])
async def test_missing_permission_neither_claims_nor_counts(
    home: RedisHome, server: RedisServer, command: str
) -> None:
    """Fails when the script is refused between its writes: the retry is a duplicate that was never counted,
    or each retry counts again."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    server.command("ACL", "SETUSER", "default", f"-{command}")
    try:
        await unavailable(ledger, 2)
        if command == "hset":
            # The probe is refused too, otherwise "recovered" would be logged four times a second.
            with pytest.raises(AssertionError, match="not within"):
                await until(lambda: ledger.status().problem is None, seconds=0.6)
    finally:
        server.command("ACL", "SETUSER", "default", "+@all")
    await recovered(ledger)
    assert (await ledger.commit(batch([2]))).accepted == 1
    assert value(ledger) == 2


async def test_silent_redis_is_503_in_time_and_a_retry_is_exact(
    home: RedisHome, server: RedisServer
) -> None:
    """Redis may still run the script later: the retry must not count again."""
    timeout, shards = 2.0, 4
    ledger = await home.open(timeout=timeout, shards=shards)
    await ledger.commit(batch([0]))
    server.pause()
    try:
        began = time.monotonic()
        refusal = await unavailable(ledger, *range(20))
        assert time.monotonic() - began < shards * timeout, "one shard after the other"
        assert "does not answer within 2 s" in str(ledger.status().problem)
        assert "127.0.0.1" not in refusal.detail, "browsers get the text too"
        # Refused at once: the coroutine raises at its first step, before it waits.
        with pytest.raises(LedgerUnavailable):
            ledger.commit(batch([1])).send(None)
        assert value(ledger) == 1
        assert ledger.status().queue_events == 0
    finally:
        server.resume()
    await recovered(ledger)
    await retried(ledger, range(20))
    assert value(ledger) == 20


async def test_paused_writes_are_503_and_the_problem_precedes_the_log(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the problem is set after the failure's log line, or cleared after the recovery's log
    line."""
    ledger = await home.open(timeout=2.0)
    lines = logged(monkeypatch, lambda: ledger.status().problem is not None)
    server.command("CLIENT", "PAUSE", 60_000, "WRITE")
    await unavailable(ledger, *range(50))
    server.command("CLIENT", "UNPAUSE")
    await retried(ledger, range(50))
    assert value(ledger) == 50
    assert lines == [("ledger_unavailable", True), ("ledger_recovered", False)]


async def test_reply_of_a_cancelled_call_is_not_read_by_the_next(server: RedisServer) -> None:
    connection = ServerConnection(
        "127.0.0.1", server.port, RedisSettings(parse(server.url), timeout=30.0)
    )
    task = asyncio.create_task(connection.run([("BLPOP", "list", 0)]))
    await until(lambda: server.command("INFO", "clients")["blocked_clients"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.command("LPUSH", "list", "x")
    assert await connection.run([("ECHO", "next")]) == [b"next"]
    await connection.close()


@pytest.mark.parametrize(("store", "wait"), [("redis_server", None), ("valkey_server", 0)])
async def test_host_name_of_a_new_master_is_followed(
    request: pytest.FixtureRequest, store: str, wait: int | None
) -> None:
    """A former master, now a replica, may have left its name to the new master.

    Fails when the connection to it is kept, or when its missing confirmation hides that it refused the write:
    no write until a restart.
    """
    server: RedisServer = request.getfixturevalue(store)
    server.empty()

    def connections() -> set[int]:
        clients = server.command("CLIENT LIST")
        return {int(client["id"]) for client in clients if "client|list" not in client["cmd"]}

    ledger = await RedisHome(server.url).open(wait=wait)
    await ledger.commit(batch([1]))
    before = connections()
    server.command("REPLICAOF", "127.0.0.1", free_port())
    try:
        await unavailable(ledger, 2)
        await until(lambda: connections() and not before & connections())
    finally:
        server.command("REPLICAOF", "NO", "ONE")
    await retried(ledger, [2])
    assert value(ledger) == 2


async def test_write_in_the_append_only_file_is_acknowledged(valkey_server: ValkeyServer) -> None:
    """A commit of duplicates also writes, because WAITAOF covers only the writes of its own connection."""
    valkey_server.empty()
    ledger = await RedisHome(valkey_server.url).open(wait=0, shards=1)
    commits = set()
    for accepted in (3, 0):
        receipt = await ledger.commit(batch([1, 2, 3]))
        assert (receipt.accepted, receipt.duplicates) == (accepted, 3 - accepted)
        commits.add(valkey_server.command("GET", "{0}:commit"))
    assert len(commits) == 2


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (("appendfsync", "no"), "the append-only file did not confirm a write"),
        (("appendonly", "no"), "can't confirm a write: ResponseError: WAITAOF"),
    ],
)
async def test_write_outside_the_append_only_file_is_503_and_a_retry_is_exact(
    valkey_server: ValkeyServer, setting: tuple[str, str], problem: str
) -> None:
    valkey_server.empty()
    ledger = await RedisHome(valkey_server.url).open(wait=0, timeout=1.0)
    [before] = valkey_server.command("CONFIG", "GET", setting[0])[1:]
    valkey_server.command("CONFIG", "SET", *setting)
    await unavailable(ledger, 1)
    assert problem in str(ledger.status().problem)
    valkey_server.command("CONFIG", "SET", setting[0], before)
    await retried(ledger, [1])
    assert value(ledger) == 1
