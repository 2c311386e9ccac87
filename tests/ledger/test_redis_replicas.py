"""Replicas of the shared ledger: counts that they share, and how they join and leave."""

import pytest

from exporter.errors import LedgerError
from exporter.ledger.redis.client import ClusterClient
from tests.ledger.batches import FAILURE, OTHER, batch, key, series
from tests.ledger.home import RedisHome, logged, total, until, value
from tests.ledger.redis_server import RedisServer


async def test_commit_reply_does_not_hide_what_another_replica_counted(home: RedisHome) -> None:
    """The reply contains the series of the commit, but no series that other replicas changed before."""
    first, second = await home.open(shards=1), await home.open(shards=1)
    await first.commit(batch([1], of=OTHER))
    await second.commit(batch([2]))
    await until(lambda: value(second, OTHER) == 1)


async def test_first_seen_delay_is_that_of_each_replica(home: RedisHome) -> None:
    """Fails when a replica that joins starts a delay: it would show 0 and then the count again, which
    `increase()` counts twice."""
    first, second = await home.open(), await home.open()
    await first.commit(batch([1, 2], of=OTHER))
    await until(lambda: value(second, OTHER) == 2)
    third = await home.open()
    for seconds, delayed in ((0, True), (76, False)):
        home.monotonic.advance(seconds)
        assert [total(ledger, OTHER).delayed for ledger in (first, second)] == [delayed] * 2
        assert not total(third, OTHER).delayed


async def test_replica_that_joins_after_a_loss_shows_no_lower_total(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when it does not wait for the high-water marks of the others: a scrape would show a counter
    reset."""
    first = await home.open(shards=1)
    await first.commit(batch(range(10)))
    [(name, record)] = server.command("HGETALL", "{0}:series").items()
    server.command("HSET", "{0}:series", name, record.replace(b"10", b"4", 1))
    server.command("SET", "{0}:commit", "earlier")
    assert value(await home.open(shards=1)) == 10


async def test_label_names_of_other_settings_are_mapped(home: RedisHome) -> None:
    labels: list[tuple[str, ...]] = []
    first = await home.open(label_names=("region",))
    await first.commit(batch([1], of=series(region="eu")))
    await home.open(label_names=("region",), on_labels=labels.append)
    assert labels == [("eu",)]
    await first.commit(batch([2], of=series(region="us")))
    await until(lambda: labels == [("eu",), ("us",)])
    assert value(await home.open(label_names=())) == 2
    third = await home.open(label_names=("project", "region"))
    values = {row.series.labels: row.value for row in third.totals().series}
    assert values == {("", "eu"): 1, ("", "us"): 1}


async def test_call_with_thousands_of_events_and_series_fits(home: RedisHome) -> None:
    """One shard gets more values than Lua can unpack at once."""
    ledger = await home.open(shards=1)
    many = [series(str(number)) for number in range(3000)]
    large = batch(range(12_000))
    large.series = many * 4
    assert (await ledger.commit(large)).accepted == 12_000
    again = await home.open(shards=1)
    for replica in (ledger, again):
        assert {row.value for row in replica.totals().series} == {4}


async def test_another_number_of_shards_is_refused(home: RedisHome) -> None:
    await (await home.open(shards=4)).close()
    with pytest.raises(
        LedgerError, match=r" and 4 shards, which can.t change; .* ledger_shards = 5"
    ):
        await home.open(shards=5)


async def test_records_of_a_later_version_are_ignored(home: RedisHome, server: RedisServer) -> None:
    """Replicas are upgraded one after the other, so versions overlap."""
    ledger = await home.open(shards=1)
    await ledger.commit(batch([1]))
    [name] = server.command("HKEYS", "{0}:series")
    later = name.replace(b'"ends"', b'"of tomorrow"')
    server.command("HSET", "{0}:series", later, "7 0 1.0 0 -", "no name", "8 0 1.0 0 -")
    server.command("HSET", "{0}:durations", '{"of": "a later version"}', "1")
    server.command("SET", "{0}:commit", "other-1")
    await ledger.commit(batch([2], durations=[1.0]))
    again = await home.open(shards=1)
    for replica in (ledger, again):
        assert replica.status().problem is None
        assert [row.value for row in replica.totals().series] == [2]
        assert len(replica.totals().durations) == 1


async def test_id_expires_by_redis_clock_and_a_retry_does_not_extend_it(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(age=1000.0, shards=1)
    name = b"{0}:" + key(1)
    await ledger.commit(batch([1]))
    assert 900_000 < server.command("PTTL", name) <= 1_000_000
    server.command("PEXPIRE", name, 2000)
    assert (await ledger.commit(batch([1]))).duplicates == 1
    assert server.command("PTTL", name) <= 2000
    await until(lambda: not server.command("EXISTS", name))
    assert (await ledger.commit(batch([1]))).accepted == 1


EMPTY = """
redis.call('FLUSHALL')
if ARGV[1] ~= '' then
  redis.call('HSET', '{0}:ledger', 'format', 2, 'shards', 16, 'ledger', ARGV[1])
end
"""


@pytest.mark.parametrize(
    ("id_", "problem"),
    [("", "is gone: Redis was emptied"), ("ffffffff", "has become ffffffff")],
)
async def test_emptied_redis_breaks_the_ledger_before_the_first_log_line(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch, id_: str, problem: str
) -> None:
    """Fails when the problem is set, or `on_broken` called, after the log line, when high-water marks are
    written before the id is compared, and when the old id is used again: an empty ledger with the totals of
    the old ledger would hide all new events."""
    old = await home.open(zero=[FAILURE])
    await old.commit(batch(range(100)))
    name = old.totals().ledger
    lines = logged(monkeypatch, lambda: (bool(old.status().problem), home.calls["broken"]))
    run, emptied = ClusterClient.run, []

    async def empty_before_a_read(client: ClusterClient, calls, **options):
        if "{0}:lost" in calls[0][1] and not emptied:
            emptied.append(server.command("EVAL", EMPTY, 0, id_))
        return await run(client, calls, **options)

    monkeypatch.setattr(ClusterClient, "run", empty_before_a_read)
    await until(lambda: lines)
    assert lines == [("ledger_broken", (True, 1))]
    assert old.status().problem == f"the shared ledger {name} {problem}"
    await old.close()
    assert home.calls["broken"] == 1
    new = await home.open(zero=[FAILURE])
    assert new.totals().ledger != name
    assert (value(new), new.status().lost_events) == (0, 0)
