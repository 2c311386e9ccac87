"""What is particular to the shared ledger: replicas, and what an engine can do to a write."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.errors import ConfigError, LedgerError, LedgerUnavailable
from exporter.ledger.contract import DUPLICATE, Family, Series
from exporter.ledger.redis.address import parse
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.plan import Plan
from tests.e2e.prometheus_process import free_port
from tests.ledger.batches import FAILURE, LATE, OTHER, batch, key, series
from tests.ledger.contract import total, value
from tests.ledger.redis_home import RedisHome, retried
from tests.ledger.redis_server import RedisServer
from tests.ledger.waiting import until

MIB = 1024**2
CERTIFICATE = Path(__file__).parent.parent / "send/loopback.pem"


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[RedisServer]:
    """One that is empty, and left as it was found."""
    redis_server.command("FLUSHALL")
    yield redis_server
    redis_server.command("CONFIG", "SET", "maxmemory", 0)
    redis_server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis_server.command("CONFIG", "SET", "appendonly", "yes")


@pytest.fixture
def home(server: RedisServer) -> RedisHome:
    return RedisHome(server.url)


def same(ledger: RedisLedger, other: RedisLedger, of: Series = FAILURE) -> bool:
    return value(ledger, of) == value(other, of)


async def unavailable(ledger: RedisLedger, *numbers: int) -> LedgerUnavailable:
    with pytest.raises(LedgerUnavailable) as refusal:
        await ledger.commit(batch(numbers))
    return refusal.value


async def works(ledger: RedisLedger) -> None:
    await until(lambda: ledger.status().problem is None)


# --- replicas -----------------------------------------------------------------------------------------


async def test_replicas_count_an_id_once_and_show_the_same_under_one_name(home: RedisHome) -> None:
    first, second = await home.open(), await home.open()
    assert (await first.commit(batch([1, 2, 3], of=OTHER))).accepted == 3
    assert (await second.commit(batch([2, 3, 4], of=OTHER))).accepted == 1
    await until(lambda: value(first, OTHER) == value(second, OTHER) == 4)
    assert first.totals().ledger == second.totals().ledger
    assert len(first.totals().ledger) == 8
    await asyncio.gather(first.close(), second.close())


async def test_concurrent_commits_of_replicas_count_each_id_once(home: RedisHome) -> None:
    replicas = [await home.open() for _ in range(3)]
    batches = [batch(range(start, start + 30)) for start in range(60)]
    receipts = await asyncio.gather(
        *(replicas[number % 3].commit(one) for number, one in enumerate(batches * 2))
    )
    assert sum(receipt.accepted for receipt in receipts) == 89
    await until(lambda: {value(ledger) for ledger in replicas} == {89})
    await asyncio.gather(*(ledger.close() for ledger in replicas))


async def test_what_another_replica_counted_just_before_is_not_missed(home: RedisHome) -> None:
    """The reply to a commit has the series that it touched, not those that others did before it."""
    first, second = await home.open(shards=1), await home.open(shards=1)
    await first.commit(batch([1], of=OTHER))
    await second.commit(batch([2]))
    await until(lambda: value(second, OTHER) == 1)
    await asyncio.gather(first.close(), second.close())


async def test_a_new_series_is_held_for_the_same_time_on_every_replica(home: RedisHome) -> None:
    first, second = await home.open(), await home.open()
    await first.commit(batch([1], of=OTHER))
    home.monotonic.advance(50)
    await second.commit(batch([2, 3, 4], of=OTHER))
    await until(lambda: value(first, OTHER) == value(second, OTHER) == 4)
    assert total(first, OTHER).held
    assert total(second, OTHER).held
    home.monotonic.advance(26)
    assert not total(first, OTHER).held
    assert not total(second, OTHER).held
    await asyncio.gather(first.close(), second.close())


async def test_a_replica_that_restarts_beside_another_holds_nothing_anew(
    home: RedisHome, server: RedisServer
) -> None:
    """Or it would show 0 and then the count again, which `increase()` counts twice."""
    first, second = await home.open(), await home.open()
    await first.commit(batch([1], of=OTHER))
    home.monotonic.advance(70)
    await second.close()
    # The clock jumped: the other's next sign of life, within a second, says that it is still there.
    await until(lambda: b"1070000" in server.command("ZRANGE", "{0}:replicas", 0, 0, "WITHSCORES"))
    second = await home.open()
    assert total(second, OTHER).held
    home.monotonic.advance(6)
    assert not total(second, OTHER).held
    await asyncio.gather(first.close(), second.close())


async def test_labels_of_other_settings_are_read_as_these_have_them(home: RedisHome) -> None:
    first = await home.open(label_names=("region",))
    for number, region in enumerate(("eu", "us")):
        await first.commit(batch([number], of=series(region=region)))
    second = await home.open(label_names=())
    assert value(second) == 2
    third = await home.open(label_names=("project", "region"))
    shown = {one.series.labels: one.value for one in third.totals().series}
    assert shown == {("", "eu"): 1, ("", "us"): 1}
    await asyncio.gather(first.close(), second.close(), third.close())


async def test_label_values_of_other_replicas_are_told_when_they_come(home: RedisHome) -> None:
    told: list[tuple[str, ...]] = []
    first = await home.open(label_names=("region",))
    await first.commit(batch([1], of=series(region="eu")))
    second = await home.open(label_names=("region",), on_labels=told.append)
    assert told == [("eu",)]
    await first.commit(batch([2], of=series(region="us")))
    await until(lambda: told == [("eu",), ("us",)])
    await asyncio.gather(first.close(), second.close())


async def test_exemplars_with_blanks_and_any_script_come_back_as_they_were(home: RedisHome) -> None:
    first = await home.open()
    session = "a b  c ✓ - 7 | {}"
    await first.commit(batch([1], sessions=[session]))
    second = await home.open()
    for ledger in (first, second):
        exemplar = total(ledger).exemplar
        assert exemplar is not None
        assert exemplar.session_id == session
    await asyncio.gather(first.close(), second.close())


async def test_hundreds_of_series_and_thousands_of_events_fit_into_a_call(home: RedisHome) -> None:
    """More values than Lua can unpack at once, in one shard."""
    ledger = await home.open(shards=1)
    many = [series(str(number % 3000)) for number in range(3000)]
    one = batch(range(12_000))
    one.series = [many[number % 3000] for number in range(12_000)]
    assert (await ledger.commit(one)).accepted == 12_000
    assert {one.value for one in ledger.totals().series} == {4}
    again = await home.open(shards=1)
    assert {one.value for one in again.totals().series} == {4}
    await asyncio.gather(ledger.close(), again.close())


async def test_the_number_of_shards_is_the_ledgers_for_good(home: RedisHome) -> None:
    await (await home.open(shards=4)).close()
    with pytest.raises(LedgerError, match=r"ledger_shards = 5: .* begun with 4"):
        await home.open(shards=5)


async def test_a_series_of_a_later_version_is_left_alone(
    home: RedisHome, server: RedisServer
) -> None:
    """Replicas are updated one after the other."""
    ledger = await home.open(shards=1)
    await ledger.commit(batch([1]))
    [name] = server.command("HKEYS", "{0}:series")
    later = name.replace(b'"ends"', b'"of tomorrow"')
    server.command("HSET", "{0}:series", later, "7 0 1.0 0 -", "no name", "8 0 1.0 0 -")
    server.command("SET", "{0}:commit", "somebody-1")
    await ledger.commit(batch([2]))
    again = await home.open(shards=1)
    for one in (ledger, again):
        assert one.status().problem is None
        assert [shown.value for shown in one.totals().series] == [2]
    await asyncio.gather(ledger.close(), again.close())


# --- ids ----------------------------------------------------------------------------------------------


async def test_an_id_is_kept_for_the_windows_age_by_the_engines_clock(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(age=0.3, shards=1)
    await ledger.commit(batch([1]))
    assert 0 < server.command("PTTL", b"{0}:" + key(1)) <= 300
    assert (await ledger.commit(batch([1]))).duplicates == 1
    await until(lambda: not server.command("EXISTS", b"{0}:" + key(1)))
    assert (await ledger.commit(batch([1]))).accepted == 1
    await ledger.close()


async def test_a_retry_does_not_make_an_id_live_longer(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(age=1000.0, shards=1)
    await ledger.commit(batch([1]))
    server.command("PEXPIRE", b"{0}:" + key(1), 50_000)
    await ledger.commit(batch([1]))
    assert server.command("PTTL", b"{0}:" + key(1)) <= 50_000
    await ledger.close()


# --- an engine that can't -----------------------------------------------------------------------------


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
    ledger = await home.open(timeout=1.0, shards=4)
    await ledger.commit(batch([0]))
    server.pause()
    try:
        began = time.monotonic()
        refusal = await unavailable(ledger, *range(20))
        assert time.monotonic() - began < 4
        assert "does not answer within 1 s" in str(ledger.status().problem)
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


# --- opening ------------------------------------------------------------------------------------------


async def test_an_engine_that_may_lose_counts_is_said(home: RedisHome, server: RedisServer) -> None:
    server.command("CONFIG", "SET", "appendonly", "no")
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ledger = await home.open()
    wrong = ledger.status().misconfigured
    assert set(wrong) == {"appendonly", "maxmemory_policy"}
    assert "Set noeviction." in wrong["maxmemory_policy"]
    assert ledger.status().problem is None
    await ledger.close()
    server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.command("CONFIG", "SET", "appendonly", "yes")
    ledger = await home.open()
    assert not ledger.status().misconfigured
    assert ledger.status().size_bytes > MIB / 2
    await ledger.close()


async def test_an_engine_that_is_set_up_worse_later_is_noticed(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open()
    assert not ledger.status().misconfigured
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    ledger._check_at = 0.0  # the minute is over
    await until(lambda: set(ledger.status().misconfigured) == {"maxmemory_policy"})
    await ledger.close()


async def test_tls_is_spoken_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file")
    files = (str(CERTIFICATE), "--tls-cert-file", str(CERTIFICATE))
    with RedisServer(tmp_path / "tls", *options, *files, "--tls-key-file", str(CERTIFICATE)):
        home = RedisHome(f"rediss://127.0.0.1:{port}")
        with pytest.raises(LedgerError, match="CERTIFICATE_VERIFY_FAILED"):
            await home.open(patience=0.1)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        ledger = await home.open()
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()


async def test_an_engine_that_is_not_there_is_said_without_its_password(
    home: RedisHome, server: RedisServer, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    with pytest.raises(LedgerError, match="can't be reached") as error:
        await home.open(patience=0.1, password_file=file)
    assert "hunter2" not in str(error.value)
    server.command("CONFIG", "SET", "requirepass", "hunter2")
    try:
        ledger = await home.open(password_file=file)
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()
        with pytest.raises(LedgerError, match="uthentication"):
            await home.open(patience=0.1)
    finally:
        server.password = "hunter2"
        server.command("CONFIG", "SET", "requirepass", "")
        server.password = None
    file.write_text("two\nlines\n")
    with pytest.raises(ConfigError, match="a password is one line"):
        await home.open(password_file=file)


async def test_a_server_alone_is_no_cluster(home: RedisHome) -> None:
    home.url = home.url.replace("redis://", "redis+cluster://")
    with pytest.raises(LedgerError, match=r"redis://|support disabled"):
        await home.open(patience=0.1)


async def test_what_waits_for_the_file_says_which_engine_can(
    home: RedisHome, server: RedisServer
) -> None:
    version = server.command("INFO", "server")["redis_version"]
    if version < "7.2":
        with pytest.raises(LedgerError, match=r"needs Redis 7\.2 or later"):
            await home.open(wait=0)
    else:
        ledger = await home.open(wait=0)
        assert (await ledger.commit(batch([1]))).accepted == 1
        await ledger.close()


async def test_without_a_clock_of_its_own_the_engine_tells_the_time(server: RedisServer) -> None:
    ledger = await RedisLedger.open(Plan(parse(server.url), hold=75.0))
    await ledger.commit(batch([1]))
    await ledger.commit(batch([2, 2]))
    assert total(ledger).held
    assert abs(ledger._member.now() - time.time()) < 2
    await ledger.close()


async def test_a_families_events_are_told_apart_in_the_store(home: RedisHome) -> None:
    ledger = await home.open()
    for family in Family:
        await ledger.commit(batch([1], of=series(family=family), unkeyed=1))
    assert {one.value for one in ledger.totals().series} == {1, 2}
    assert (await ledger.commit(batch([1]))).verdicts == bytes([DUPLICATE])
    await ledger.close()
