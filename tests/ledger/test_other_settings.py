"""A ledger opened under other settings: label names and the window's bounds."""

import pytest

from exporter.ledger.contract import Total
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.batches import FAILURE, batch, series
from tests.ledger.home import SqliteHome

EU, US = series(region="eu"), series(region="us")


async def _count(home: SqliteHome, names: tuple[str, ...], events: dict[object, list[int]]) -> None:
    ledger = await home.open(label_names=names)
    for of, ids in events.items():
        await ledger.commit(batch(ids, of=of))  # type: ignore[arg-type]
    await ledger.close()


async def _values(home: SqliteHome, names: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    ledger = await home.open(label_names=names)
    await ledger.close()
    return {one.series.labels: one.value for one in ledger.totals().series}


async def test_a_label_taken_away_merges_its_series_once(home: SqliteHome) -> None:
    await _count(home, ("region",), {EU: [1, 2, 3], US: [4]})
    for _ in range(3):
        assert await _values(home, ()) == {(): 4}
    await _count(home, (), {FAILURE: [5, 1]})
    for _ in range(2):
        assert await _values(home, ()) == {(): 5}


async def test_a_label_taken_away_from_a_single_series_does_not_count_it_again(
    home: SqliteHome,
) -> None:
    """The series merged with no other, stayed under its old name, and was added at the next start."""
    await _count(home, ("region",), {EU: [1, 2, 3]})
    await _count(home, (), {FAILURE: [5]})
    assert await _values(home, ()) == {(): 4}
    assert await _values(home, ("region",)) == {("",): 4}


async def test_a_new_label_is_empty_for_what_was_counted_before(home: SqliteHome) -> None:
    await _count(home, (), {FAILURE: [1, 2]})
    await _count(home, ("region",), {EU: [3], series(region=""): [4]})
    assert await _values(home, ("region",)) == {("",): 3, ("eu",): 1}


async def test_labels_in_another_order_are_the_same_series(home: SqliteHome) -> None:
    await _count(home, ("region", "project"), {series(region="eu", project="p"): [1, 2]})
    await _count(home, ("project", "region"), {series(project="p", region="eu"): [3]})
    assert await _values(home, ("project", "region")) == {("p", "eu"): 3}
    assert await _values(home, ("region", "project")) == {("eu", "p"): 3}


async def test_merged_series_keep_the_oldest_start_and_the_latest_session(home: SqliteHome) -> None:
    ledger = await home.open(label_names=("region",))
    created = home.wall.now
    await ledger.commit(batch([1], of=EU, sessions=["first"]))
    home.wall.advance(10)
    await ledger.commit(batch([2], of=US, sessions=["second"]))
    await ledger.close()
    ledger = await home.open()
    [total] = ledger.totals().series
    assert isinstance(total, Total)
    assert (total.created, total.delayed) == (created, True)
    assert total.exemplar is not None
    assert (total.exemplar.session_id, total.exemplar.at) == ("second", created + 10)
    await ledger.close()


async def test_a_smaller_window_keeps_the_latest_ids(home: SqliteHome) -> None:
    ledger = await home.open(ids=1000)
    for number in range(100):
        await ledger.commit(batch([number]))
    await ledger.close()
    ledger = await SqliteLedger.open(home.plan(ids=10, slack=5))
    assert ledger.status().window_ids == 10
    assert (await ledger.commit(batch(range(90, 95)))).duplicates == 5
    assert (await ledger.commit(batch(range(95, 100)))).duplicates == 5
    assert (await ledger.commit(batch([0]))).accepted == 1
    assert ledger.status().window_ids == 10
    await ledger.close()


async def test_a_larger_window_remembers_more_from_then_on(home: SqliteHome) -> None:
    ledger = await home.open(ids=10)
    for number in range(30):
        await ledger.commit(batch([number]))
    await ledger.close()
    ledger = await home.open(ids=40)
    for number in range(100, 130):
        await ledger.commit(batch([number]))
    assert (await ledger.commit(batch([*range(20, 30), *range(100, 130)]))).duplicates == 40
    await ledger.close()


async def test_a_commit_too_large_for_the_window_is_not_remembered_by_halves(
    home: SqliteHome,
) -> None:
    ledger = await home.open(ids=100)
    await ledger.commit(batch(range(50)))
    await ledger.commit(batch([100]))
    await ledger.close()
    ledger = await SqliteLedger.open(home.plan(ids=10, slack=0))
    assert ledger.status().window_ids == 1
    assert (await ledger.commit(batch([100]))).duplicates == 1
    with pytest.raises(ValueError, match="11 events in a batch are more than the window can hold"):
        await ledger.commit(batch(range(11)))
    await ledger.close()


async def test_a_shorter_age_forgets_at_once_what_is_older(home: SqliteHome) -> None:
    ledger = await home.open(age=1000.0)
    await ledger.commit(batch([1]))
    home.monotonic.advance(500)
    await ledger.commit(batch([2]))
    await ledger.close()
    ledger = await home.open(age=100.0)
    assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([0, 1])
    await ledger.close()


async def test_clocks_of_whole_numbers_leave_a_sound_ledger(home: SqliteHome) -> None:
    """An int came back from a REAL column as a float, and failed its checksum."""
    home.wall.now, home.monotonic.now = 1_800_000_000, 1000
    ledger = await home.open(zero=[series("4003")])
    await ledger.commit(batch([1], sessions=["s"], durations=[1]))
    await ledger.close()
    ledger = await home.open()
    assert ledger.status().damaged is None
    assert (await ledger.commit(batch([1]))).duplicates == 1
    await ledger.close()
