"""A ledger that is opened again with other settings: label names and the bounds of the window."""

from exporter.ledger.contract import Series
from tests.ledger.batches import FAILURE, batch, series
from tests.ledger.home import SqliteHome

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


async def test_counts_of_a_removed_label_are_not_exported_until_it_is_back(
    home: SqliteHome,
) -> None:
    """Fails when they are added to the series without the label: alerts would count them as new ends."""
    await _count(home, ("region",), {EU: [1, 2, 3], US: [4]})
    assert await _values(home, ()) == {}
    await _count(home, (), {FAILURE: [5, 1]})
    assert await _values(home, ()) == {(): 1}
    assert await _values(home, ("region",)) == {("eu",): 3, ("us",): 1, ("",): 1}


async def test_labels_in_another_order_name_the_same_series(home: SqliteHome) -> None:
    await _count(home, ("region", "project"), {series(region="eu", project="p"): [1, 2]})
    await _count(home, ("project", "region"), {series(project="p", region="eu"): [3]})
    assert await _values(home, ("project", "region")) == {("p", "eu"): 3}
    assert await _values(home, ("region", "project")) == {("eu", "p"): 3}


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
