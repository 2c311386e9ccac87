"""Totals of the shared ledger: losses and duplicates."""

import asyncio
from typing import Any

import pytest

from exporter.ledger.contract import Total
from exporter.ledger.redis.connection import RedisSettings
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.records import Names, cell_name
from exporter.ledger.redis.totals import SharedTotals
from exporter.settings.ledger_address import parse
from tests.ledger.batches import FAILURE, LATE, OTHER, batch
from tests.ledger.home import RedisHome, total, until, value
from tests.ledger.redis_server import RedisServer

RESTORE = """
for _, name in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', name) end
for i = 1, #KEYS do redis.call('RESTORE', KEYS[i], 0, ARGV[i]) end
"""
State = dict[bytes, bytes]


def saved(server: RedisServer) -> State:
    return {name: server.command("DUMP", name) for name in server.command("KEYS", "*")}


def lose(server: RedisServer, earlier: State) -> None:
    """Restore an earlier state, as a failover does. Row 23 has real failovers."""
    server.command("EVAL", RESTORE, len(earlier), *earlier, *earlier.values())


async def test_lost_events_do_not_lower_totals_and_are_counted(
    home: RedisHome, server: RedisServer
) -> None:
    ledger = await home.open(zero=[FAILURE, LATE], zero_durations=[("streampixel", "failure")])
    other = await home.open(zero=[FAILURE, LATE])
    empty = saved(server)
    columns = {"durations": [1.0] * 40, "sessions": ["s"] * 40, "users": [b"one user"] * 40}
    await ledger.commit(batch(range(40), **columns))
    await ledger.commit(batch([100, 101], of=LATE))
    await until(lambda: value(other) == 40 and value(other, LATE) == 2)
    name = ledger.totals().ledger
    lose(server, empty)
    await until(lambda: ledger.status().lost_events == other.status().lost_events == 42)
    for replica in (ledger, other):
        assert (value(replica), value(replica, LATE)) == (40, 2)
        assert value(replica, FAILURE.of_repeats()) == 39
        assert sum(replica.totals().durations[0].counts) == 40
    # New events first fill the gap that the lost events left.
    await ledger.commit(batch(range(1000, 1500)))
    assert value(ledger) >= 500
    await until(lambda: value(other) == value(ledger))
    await asyncio.gather(ledger.close(), other.close())
    again = await home.open()
    assert again.totals().ledger == name
    assert value(again) == value(ledger) >= 500
    assert value(again, LATE) == 2
    assert again.status().lost_events == 42


@pytest.mark.parametrize("marked", [False, True])
async def test_ends_less_repeats_do_not_decrease_after_a_loss(
    home: RedisHome, server: RedisServer, marked: bool
) -> None:
    """The rules take `increase()` of this difference.

    Fails when the lost first ends of many users are made up for by the repeats of one user.
    """
    ledger, other = await home.open(zero=[FAILURE]), await home.open()
    empty = saved(server)
    await ledger.commit(batch(range(100)))
    await until(lambda: value(other) == 100)
    lose(server, empty)
    if marked:
        await until(lambda: other.status().lost_events == ledger.status().lost_events == 100)
    shown: dict[RedisLedger, list[tuple[int, int]]] = {ledger: [], other: []}
    for number in range(1000, 1030):
        await ledger.commit(batch([number], users=[b"one user"]))
        for replica, values in shown.items():
            repeats = value(replica, FAILURE.of_repeats())
            values.append((value(replica) - repeats, repeats))
    assert shown[ledger][-1] == (100, 29)
    for replica, values in shown.items():
        assert all(list(column) == sorted(column) for column in zip(*values, strict=True))
        await until(lambda replica=replica: value(replica) == 129)
        await until(lambda replica=replica: value(replica, FAILURE.of_repeats()) == 29)


async def test_second_loss_keeps_what_was_exported_since_the_first(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when a loss that was noted hides the next one: totals fell at the next start."""
    ledger = await home.open(zero=[FAILURE])
    empty = saved(server)
    for first, count in ((0, 40), (1000, 100)):
        await ledger.commit(batch(range(first, first + count), durations=[1.0] * count))
        lose(server, empty)
        await until(lambda count=count: ledger.status().lost_events == count)
    again = await home.open()
    assert (value(again), sum(again.totals().durations[0].counts)) == (100, 100)


def test_second_loss_is_marked_with_the_exported_values() -> None:
    """Fails when a failover that also lost the marks is answered with lower values than those exported."""
    settings, cell = RedisSettings(parse("redis://cache"), shards=1), ("streampixel", "failure")
    names = Names(())
    totals, name = SharedTotals(settings, names), names.of(FAILURE)
    [shard] = totals.shards
    for commit, count in ((b"1", 10), (b"2", 3), (b"3", 2)):
        shard.series.lost.clear()
        shard.cells.lost.clear()
        numbers = b" ".join([b"%d" % count] * 14)
        totals.read(
            0,
            commit,
            [(name, b"%d 0 1.0 0 -" % count)],
            [(cell_name(cell), b"1.0 %b|" % numbers)],
        )
    numbers = b" ".join([b"10.0"] * 14)
    assert (shard.series.lost, shard.cells.lost) == (
        {name: b"10 0 0 0 -"},
        {cell_name(cell): b"0 %b|" % numbers},
    )


async def test_duplicates_create_no_series_and_change_none(home: RedisHome) -> None:
    """Fails when the empty record of a series without events is treated as a lost record."""
    ledger = await home.open(zero=[LATE])
    await ledger.commit(batch(range(20)))
    for of in (LATE, OTHER):
        assert (await ledger.commit(batch(range(20), of=of))).duplicates == 20
    assert OTHER.key not in {row.series.key for row in ledger.totals().series}
    await ledger.commit(batch([100], of=OTHER))
    assert total(ledger, OTHER).delayed


def test_end_and_its_repeat_are_shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when the two are not published together: ends without repeats would decrease between scrapes."""
    names = Names(())
    totals = SharedTotals(RedisSettings(parse("redis://cache"), shards=1), names)
    seen: list[int] = []

    def total(*parts: Any, **others: Any) -> Total:
        seen.append(len(totals.series()))
        return Total(*parts, **others)

    monkeypatch.setattr("exporter.ledger.redis.totals.Total", total)
    rows = [(FAILURE, b"1 0 1.0 0 -"), (FAILURE.of_repeats(), b"1 0 1.0 0 -")]
    totals.read(0, b"1", [(names.of(of), text) for of, text in rows], [])
    assert seen == [0, 0]
    assert [total.value for total in totals.series()] == [2, 1]
