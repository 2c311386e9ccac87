"""What an engine can do to a write: every fault is a 503, and a retry is exact."""

import asyncio
import time

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.redis import ledger as shared
from tests.ledger.batches import FAILURE, LATE, batch, key
from tests.ledger.redis_home import RedisHome, retried, same, unavailable, works
from tests.ledger.redis_server import RedisServer
from tests.ledger.shown import value
from tests.ledger.waiting import until

MIB = 1024**2


@pytest.fixture
def home(server: RedisServer) -> RedisHome:
    return RedisHome(server.url)


async def test_scripts_that_the_engine_forgot_are_loaded_again(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    server.command("SCRIPT", "FLUSH")
    assert (await ledger.commit(batch(range(40)))).accepted == 39
    assert value(ledger) == 40
    await ledger.close()


async def test_without_memory_nothing_of_a_batch_is_written_and_a_retry_is_exact(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when the script may run out of memory: its first writes stay, and are not counted."""
    ledger = await home.open(zero=[FAILURE])
    await ledger.commit(batch([1]))
    keys = server.command("DBSIZE")
    server.command("CONFIG", "SET", "maxmemory", 1)
    refusal = await unavailable(ledger, *range(500))
    assert "maxmemory" in str(ledger.status().problem)
    assert refusal.retry_after
    assert server.command("DBSIZE") == keys
    assert ledger.status().problem
    assert value(ledger) == 1
    server.command("CONFIG", "SET", "maxmemory", 0)
    await works(ledger)
    receipt = await ledger.commit(batch(range(500)))
    assert (receipt.accepted, value(ledger)) == (499, 500)
    await ledger.close()


async def test_an_idle_ledger_notices_that_nothing_can_be_written(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open()
    server.command("CONFIG", "SET", "maxmemory", 1)
    await until(lambda: ledger.status().problem is not None)
    server.command("CONFIG", "SET", "maxmemory", 0)
    await works(ledger)
    await ledger.close()


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (("SET", "{0}:series", "x"), "WRONGTYPE"),
        (("SET", "{0}:durations", "x"), "WRONGTYPE"),
        (("HSET", "{0}:commit", "x", "x"), "WRONGTYPE"),
        (("HSET", "{0}:series", "NAME", "not a record"), "damaged"),
        (("HSET", "{0}:series", "NAME", "9007199254740992 0 1.0 0 -"), "damaged"),
        (("HSET", "{0}:durations", "CELL", "1.0 2|"), "damaged"),
    ],
)
async def test_a_key_of_somebody_else_is_refused_before_the_first_write(
    home: RedisHome, server: RedisServer, kind: tuple[str, ...], told: str
) -> None:
    """Redis does not roll back a script that fails in the middle."""
    ledger = await home.open(shards=1)
    await ledger.commit(batch([1], durations=[1.0]))
    [name] = server.command("HKEYS", "{0}:series")
    [cell] = server.command("HKEYS", "{0}:durations")
    texts = {"NAME": name.decode(), "CELL": cell.decode()}
    if kind[1] in ("{0}:commit",) or kind[0] == "SET":
        server.command("DEL", kind[1])
    server.command(*(texts.get(part, part) for part in kind))
    before = server.command("DBSIZE")
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([2, 3], durations=[1.0, 2.0]))
    assert told in str(ledger.status().problem)
    assert server.command("DBSIZE") == before
    await ledger.close()


async def test_an_id_key_of_another_type_does_not_stop_a_script_in_the_middle(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(shards=1)
    server.command("LPUSH", b"{0}:" + key(5), "x")
    assert (await ledger.commit(batch(range(10)))).accepted == 10
    assert (await ledger.commit(batch(range(10)))).duplicates == 10
    await ledger.close()


async def test_a_silent_engine_is_answered_503_in_time_and_a_retry_is_exact(
    home: RedisHome, server: RedisServer
) -> None:
    """What was sent to it may be run later: it must not be counted again then."""
    timeout, shards = 2.0, 4
    ledger = await home.open(timeout=timeout, shards=shards)
    await ledger.commit(batch([0]))
    server.pause()
    try:
        began = time.monotonic()
        refusal = await unavailable(ledger, *range(20))
        assert time.monotonic() - began < shards * timeout, "one shard after the other"
        assert "does not answer within 2 s" in str(ledger.status().problem)
        assert "127.0.0.1" not in refusal.detail, "browsers are told it too"
        # The circuit is open: a coroutine that raises at its first step waits for nothing.
        with pytest.raises(LedgerUnavailable):
            ledger.commit(batch([1])).send(None)
        assert value(ledger) == 1
        assert ledger.status().queue_events == 0
    finally:
        server.resume()
    await works(ledger)
    await retried(ledger, range(20))
    assert value(ledger) == 20
    await ledger.close()


async def test_writes_that_are_paused_are_answered_503_and_come_back_by_themselves(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(timeout=0.5)
    server.command("CLIENT", "PAUSE", 1500, "WRITE")
    await unavailable(ledger, *range(50))
    await retried(ledger, range(50))
    assert value(ledger) == 50
    await ledger.close()


async def test_a_connection_that_is_cut_is_made_again(home: RedisHome, server: RedisServer) -> None:
    ledger = await home.open()
    await ledger.commit(batch([1]))
    server.command("CLIENT", "KILL", "TYPE", "normal")
    await retried(ledger, [2])
    assert value(ledger) == 2
    await ledger.close()


async def test_replicas_that_do_not_confirm_are_answered_503_and_a_retry_does_not_slip_through(
    home: RedisHome,
) -> None:
    """A retry that finds only duplicates writes nothing of its own: WAIT would be content at once."""
    ledger = await home.open(wait=1, timeout=1.0)
    for _ in range(2):
        await unavailable(ledger, 1)
        assert "0 of 1 replicas confirmed" in str(ledger.status().problem)
        ledger._problem = None
    await ledger.close()


async def test_events_that_a_store_lost_do_not_lower_totals_and_are_told(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(zero=[FAILURE, LATE], zero_durations=[("streampixel", "failure")])
    other = await home.open(zero=[FAILURE, LATE])
    numbers = range(40)
    await ledger.commit(batch(numbers, durations=[1.0] * 40, sessions=["s"] * 40))
    await ledger.commit(batch([100, 101], of=LATE))
    await until(lambda: same(ledger, other))
    name = ledger.totals().ledger
    server.command("FLUSHALL")
    await until(lambda: ledger.status().lost_events == other.status().lost_events == 42)
    for one in (ledger, other):
        assert (value(one), value(one, LATE)) == (40, 2)
        assert sum(one.totals().durations[0].counts) == 40
    # New events make up for what was lost before they show.
    await ledger.commit(batch(range(1000, 1500)))
    assert value(ledger) >= 500
    await until(lambda: same(ledger, other))
    await asyncio.gather(ledger.close(), other.close())
    again = await home.open()
    assert again.totals().ledger == name
    assert value(again) == value(ledger) >= 500
    assert value(again, LATE) == 2
    assert again.status().lost_events == 42
    await again.close()


async def test_a_broken_ledger_is_not_ready_before_its_first_log_line(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants it fails on: the problem set, or `on_broken` called, after the log line."""
    broken: list[bool] = []
    seen: list[tuple[bool, bool]] = []
    ledger = await home.open(on_broken=lambda: broken.append(True))

    def log_line(_event: str, **_fields: object) -> None:
        seen.append((ledger.status().problem is not None, bool(broken)))

    monkeypatch.setattr(shared.log, "error", log_line)
    server.command("HSET", "{0}:ledger", "ledger", "ffffffff")
    await until(lambda: seen)
    await ledger.close()
    assert seen == [(True, True)]


async def test_an_unreachable_engine_is_a_problem_before_its_first_log_line(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutants it fails on: the problem set after the line that tells it, or taken back after the line that
    tells the recovery."""
    seen: list[tuple[str, bool]] = []
    ledger = await home.open(timeout=1)
    for level in ("error", "info"):
        monkeypatch.setattr(
            shared.log,
            level,
            lambda event, **_: seen.append((event, ledger.status().problem is not None)),
        )
    server.command("CLIENT", "PAUSE", 3000, "WRITE")
    await unavailable(ledger, 1)
    server.command("CLIENT", "UNPAUSE")
    await until(lambda: len(seen) == 2)
    await ledger.close()
    assert seen == [("ledger_unavailable", True), ("ledger_recovered", False)]


async def test_a_store_that_became_another_ledger_breaks_this_one(
    home: RedisHome, server: RedisServer
) -> None:
    broken: list[bool] = []
    ledger = await home.open(on_broken=lambda: broken.append(True))
    server.command("HSET", "{0}:ledger", "ledger", "ffffffff")
    await until(lambda: broken)
    await unavailable(ledger, 1)
    await ledger.close()
    assert broken == [True]
