"""What replicas of the shared ledger show each other, and how long an id is known."""

import asyncio

import pytest

from exporter.errors import LedgerError
from tests.ledger.batches import OTHER, batch, key, series
from tests.ledger.redis_home import RedisHome
from tests.ledger.redis_server import RedisServer
from tests.ledger.shown import total, value
from tests.ledger.waiting import until


@pytest.fixture
def home(server: RedisServer) -> RedisHome:
    return RedisHome(server.url)


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
    assert total(first, OTHER).delayed
    assert total(second, OTHER).delayed
    home.monotonic.advance(26)
    assert not total(first, OTHER).delayed
    assert not total(second, OTHER).delayed
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
    assert total(second, OTHER).delayed
    home.monotonic.advance(6)
    assert not total(second, OTHER).delayed
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


async def test_an_id_is_kept_for_the_windows_age_by_the_engines_clock(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(age=2.0, shards=1)
    await ledger.commit(batch([1]))
    assert 0 < server.command("PTTL", b"{0}:" + key(1)) <= 2000
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
