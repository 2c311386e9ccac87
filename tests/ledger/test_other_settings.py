"""A ledger that is opened again with other settings: label names and the bounds of the window."""

import pytest

from exporter.ledger.contract import Exemplar, Series
from tests.ledger.batches import FAILURE, batch, series
from tests.ledger.home import SqliteHome, total

EU, US = series(region="eu"), series(region="us")


async def _count(home: SqliteHome, names: tuple[str, ...], events: dict[Series, list[int]]) -> None:
    ledger = await home.open(label_names=names)
    for of, ids in events.items():
        await ledger.commit(batch(ids, of=of))
    await ledger.close()


async def _values(home: SqliteHome, names: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    ledger = await home.open(label_names=names)
    await ledger.close()
    return {total.series.labels: total.value for total in ledger.totals().series}


@pytest.mark.parametrize("regions", [{EU: [1, 2, 3], US: [4]}, {EU: [1, 2, 3, 4]}])
async def test_series_without_a_removed_label_are_merged_once(
    home: SqliteHome, regions: dict[Series, list[int]]
) -> None:
    """Fails when a series that merges with no other keeps its old name: its count was added at each start."""
    await _count(home, ("region",), regions)
    await _count(home, (), {FAILURE: [5, 1]})
    for _ in range(2):
        assert await _values(home, ()) == {(): 5}
    assert await _values(home, ("region",)) == {("",): 5}


async def test_labels_in_another_order_name_the_same_series(home: SqliteHome) -> None:
    await _count(home, ("region", "project"), {series(region="eu", project="p"): [1, 2]})
    await _count(home, ("project", "region"), {series(project="p", region="eu"): [3]})
    assert await _values(home, ("project", "region")) == {("p", "eu"): 3}
    assert await _values(home, ("region", "project")) == {("eu", "p"): 3}


async def test_merged_series_keep_the_delay_and_the_last_session(home: SqliteHome) -> None:
    ledger = await home.open(label_names=("region",))
    await ledger.commit(batch([1], of=EU, sessions=["first"]))
    home.wall.advance(10)
    await ledger.commit(batch([2], of=US, sessions=["second"]))
    await ledger.close()
    merged = total(await home.open())
    assert merged.delayed
    assert merged.exemplar == Exemplar("second", home.wall.now)


async def test_commit_too_large_for_the_window_is_forgotten_completely(home: SqliteHome) -> None:
    ledger = await home.open(ids=100)
    await ledger.commit(batch(range(50)))
    await ledger.commit(batch([100]))
    await ledger.close()
    ledger = await home.open(ids=10, slack=0)
    assert ledger.status().window_ids == 1
    assert (await ledger.commit(batch([100]))).duplicates == 1


async def test_shorter_age_expires_older_ids_at_once(home: SqliteHome) -> None:
    """Fails when the ids of a row, or the ledger, have another age after the start."""
    ledger = await home.open(age=1000.0)
    await ledger.commit(batch([1]))
    home.monotonic.advance(500)
    await ledger.commit(batch([2]))
    await ledger.close()
    ledger = await home.open(age=100.0)
    assert (await ledger.commit(batch([1, 2]))).verdicts == bytes([0, 1])
