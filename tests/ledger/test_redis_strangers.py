"""What the shared ledger meets that it did not expect: other ledgers, other rights, other clocks."""

import asyncio
import time
from pathlib import Path

import pytest

from exporter.ledger.redis.group import Part
from exporter.ledger.redis.link import Unreached
from exporter.ledger.redis.member import Member
from exporter.ledger.redis.names import Names
from exporter.ledger.redis.view import View
from tests.ledger.batches import FAILURE, LATE, OTHER, batch
from tests.ledger.redis_home import RedisHome, retried, unavailable, works
from tests.ledger.redis_server import RedisServer
from tests.ledger.shown import total, value
from tests.ledger.waiting import until


@pytest.fixture
def home(server: RedisServer) -> RedisHome:
    return RedisHome(server.url)


async def test_who_may_not_write_counts_claims_no_ids_either(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when SET comes before the refusal of HSET: the retry is then a duplicate that nobody counted."""
    ledger = await home.open()
    await ledger.commit(batch([1]))
    server.command("ACL", "SETUSER", "default", "-hset")
    try:
        await unavailable(ledger, 2)
        assert "the ledger needs HSET" in str(ledger.status().problem)
        # The probe is refused too: "recovered" would be told four times a second.
        with pytest.raises(AssertionError, match="not within"):
            await until(lambda: ledger.status().problem is None, seconds=0.6)
    finally:
        server.command("ACL", "SETUSER", "default", "+@all")
    await works(ledger)
    assert (await ledger.commit(batch([2]))).accepted == 1
    assert value(ledger) == 2
    await ledger.close()


async def test_totals_of_a_ledger_that_is_gone_are_not_written_into_the_next(
    home: RedisHome, server: RedisServer
) -> None:
    """Fails when the marks are written before the ledger's id is asked for."""
    broken: list[bool] = []
    old = await home.open(zero=[FAILURE], on_broken=lambda: broken.append(True))
    await old.commit(batch(range(100)))
    server.command("FLUSHALL")
    new = await home.open(zero=[FAILURE])
    await until(lambda: bool(broken))
    await new.commit(batch([1000]))
    await until(lambda: value(new) == 1)
    assert new.status().lost_events == 0
    await asyncio.gather(old.close(), new.close())


async def test_a_ledger_that_another_begins_while_this_one_joins_anew_is_not_taken_over(
    home: RedisHome, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when joining anew takes the other's id for its own."""
    broken: list[bool] = []
    old = await home.open(zero=[FAILURE], on_broken=lambda: broken.append(True))
    await old.commit(batch(range(100)))
    register, others = Member.register, []

    async def second(member: Member) -> int:
        if member is old._member and not others:
            others.append(None)
            others[0] = await home.open(zero=[FAILURE])
        return await register(member)

    monkeypatch.setattr(Member, "register", second)
    server.command("FLUSHALL")
    await until(lambda: bool(broken))
    [new] = others
    assert (value(new), new.status().lost_events) == (0, 0)
    await asyncio.gather(old.close(), new.close())


async def test_a_start_that_is_tried_again_does_not_take_itself_for_another_replica(
    home: RedisHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when it does: what may never have been scraped at 0 is then not held anew."""
    first = await home.open(first_seen_delay=5.0)
    await first.commit(batch([1], of=OTHER))
    await first.close()
    home.monotonic.advance(4)
    look, failures = Member.look, [Unreached("once")]

    async def once(member: Member) -> None:
        if failures:
            raise failures.pop()
        await look(member)

    monkeypatch.setattr(Member, "look", once)
    again = await home.open(first_seen_delay=5.0)
    home.monotonic.advance(2)
    assert total(again, OTHER).delayed
    home.monotonic.advance(4)
    assert not total(again, OTHER).delayed
    await again.close()


async def test_duplicates_alone_make_no_series_and_change_none(home: RedisHome) -> None:
    """Fails when the empty record of a series that nothing was counted in is taken for one that is gone."""
    ledger = await home.open(zero=[LATE])
    await ledger.commit(batch(range(20)))
    created = total(ledger, LATE).created
    for of in (LATE, OTHER):
        assert (await ledger.commit(batch(range(20), of=of))).duplicates == 20
    assert total(ledger, LATE).created == created > 0
    assert OTHER.key not in {one.series.key for one in ledger.totals().series}
    await ledger.commit(batch([100], of=OTHER))
    assert total(ledger, OTHER).delayed
    assert total(ledger, OTHER).created > 0
    await ledger.close()


async def test_the_clock_is_that_of_one_server(
    home: RedisHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when each shard's reply sets it: servers need not agree, and a new series went back to 0."""
    ledger = await home.open(clock=None)
    member, told, set_ = ledger._member, [], Member._told
    monkeypatch.setattr(Member, "_told", lambda *said: (told.append(said), set_(*said))[1])
    await until(lambda: bool(told))
    assert len(told) == 1, "of sixteen shards that were looked at"
    ahead = b"%d" % ((time.time() + 60) * 1000)
    member._took(Part(1), (b"", b"", ahead, b"", [], []))
    assert abs(member.now() - time.time()) < 5
    member._took(Part(0), (b"", b"", ahead, b"", [], []))
    assert member.now() - time.time() > 55
    await ledger.close()


async def test_a_clock_that_is_set_back_holds_nothing_for_longer(home: RedisHome) -> None:
    """Fails when what was first seen in the future waits for it."""
    ledger = await home.open(first_seen_delay=5.0, shards=1)
    await ledger.commit(batch([1], of=OTHER))
    home.monotonic.advance(-500)
    marked = ledger._look_at
    await until(lambda: ledger._look_at > marked)
    await ledger.commit(batch([2], of=OTHER))
    assert total(ledger, OTHER).delayed
    home.monotonic.advance(6)
    await until(lambda: not total(ledger, OTHER).delayed)
    assert value(ledger, OTHER) == 2
    await ledger.close()


async def test_a_cell_of_a_later_version_is_left_alone(
    home: RedisHome, server: RedisServer
) -> None:
    server.command("HSET", "{0}:durations", '{"of": "a later version"}', "1")
    server.command("SET", "{0}:commit", "x-1")
    ledger = await home.open()
    assert (await ledger.commit(batch([1], durations=[1.0]))).accepted == 1
    assert ledger.status().problem is None
    await ledger.close()


def test_what_fell_is_marked_as_it_was_shown() -> None:
    """Fails when a second failover, which took the mark back, is answered with the record before it."""
    names = Names(())
    view, name = View(1, names, lambda _: None), names.of(FAILURE)
    for commit, count in ((b"1", 10), (b"2", 3)):
        view.looked(0, commit, [(name, b"%d 0 1.0 0 -" % count)], [])
    view.marked(0)
    view.looked(0, b"3", [(name, b"2 0 1.0 0 -")], [])
    assert view.fallen(0)[0] == {name: b"10 0 1.0 0 -"}


async def test_a_name_that_leads_to_a_new_master_is_followed(
    tmp_path: Path, server: RedisServer
) -> None:
    """Fails when a connection to what is a replica by now is kept: nothing is written until a restart."""
    options = ("--repl-diskless-sync-delay", "0")
    target = server

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target.port)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    with RedisServer(tmp_path / "replica", *options) as replica:
        replica.command("REPLICAOF", "127.0.0.1", server.port)
        up = lambda: replica.command("INFO", "replication")["master_link_status"] == "up"  # noqa: E731
        await until(up)
        async with await asyncio.start_server(forward, "127.0.0.1", 0) as name:
            port = name.sockets[0].getsockname()[1]
            ledger = await RedisHome(f"redis://127.0.0.1:{port}").open()
            await ledger.commit(batch([1]))
            await until(lambda: replica.command("EXISTS", "{0}:ledger") == 1)
            replica.command("REPLICAOF", "NO", "ONE")
            target = replica
            server.command("REPLICAOF", "127.0.0.1", replica.port)
            try:
                await retried(ledger, [2])
            finally:
                server.command("REPLICAOF", "NO", "ONE")
            assert value(ledger) == 2
            await ledger.close()
