"""The deduplication window of the embedded ledger: the ids that it keeps in memory and on disk."""

from collections import OrderedDict
from pathlib import Path

import apsw
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.ledger.contract import ACCEPTED, DUPLICATE
from exporter.ledger.window import ROW_IDS, ROWS_PER_BOUND, Segment, Segments, Window, Words
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome

# --- the table in memory -----------------------------------------------------------------------


def keys_of(numbers: list[int]) -> Words:
    """Keys with one of two high bits, which select the bucket: each chain has half of the window.

    Keys 2 apart may differ in their second halves only.
    """
    return np.array([[(n & 1) << 63 | n >> 2, n % 4] for n in numbers], np.uint64).reshape(-1, 2)


def add(window: Window, numbers: list[int]) -> None:
    """Add few keys one by one, as a commit of few events does."""
    if len(numbers) % 2:
        window.add(keys_of(numbers), np.array([n * 7 for n in numbers], np.uint64))
    else:
        for number, (first, second) in zip(numbers, keys_of(numbers).tolist(), strict=True):
            window.add_key(first, second, number * 7)


@settings(deadline=None)
@given(
    st.integers(1, 40),
    st.integers(0, 24),
    st.lists(st.tuples(st.lists(st.integers(0, 120), max_size=30), st.integers(0, 30))),
    st.one_of(st.just(1), st.integers(2**32 - 40, 2**32)),
)
@example(4, 2, [([1], 0)], 2**32)
@example(4, 2, [([1, 2], 0)], 2**32)
def test_window_finds_the_same_ids_as_a_dict(
    ids: int, slack: int, steps: list[tuple[list[int], int]], start: int
) -> None:
    """Fails when positions above 2**32, of which the window stores the low 32 bits, are confused.

    The examples do not end if a key can be its own previous key in the bucket.
    """
    window, keys = Window(ids, slack, start), keys_of(list(range(121)))
    model: OrderedDict[int, None] = OrderedDict()
    for numbers, expired in steps:
        new = [n for n in dict.fromkeys(numbers) if n not in model][: window.size]
        for _ in range(max(min(expired, len(model)), len(model) + len(new) - window.size)):
            model.popitem(last=False)
            window.expire(1)
        add(window, new)
        model.update(dict.fromkeys(new))
        assert len(window) == len(model)
        positions = window.find(keys)
        known = sorted(model)
        assert [n for n in range(121) if positions[n]] == known
        one_by_one = [window.fingerprint_of(*key) for key in keys.tolist()]
        assert one_by_one == [n * 7 if n in model else None for n in range(121)]
        assert window.fingerprints(positions[positions > 0]).tolist() == [n * 7 for n in known]


def test_keys_that_do_not_fit_are_refused_and_overwrite_nothing() -> None:
    window = Window(4, 2)
    add(window, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="3 keys do not fit: 4 of 6 are taken"):
        add(window, [5, 6, 7])
    add(window, [5, 6])
    with pytest.raises(ValueError, match="1 key does not fit: 6 of 6 are taken"):
        add(window, [7, 8])
    assert window.find(keys_of([1, 2, 3, 4, 7])).tolist() == [1, 2, 3, 4, 0]


# --- expiry ------------------------------------------------------------------------------------


async def test_window_keeps_the_configured_number_of_ids(home: SqliteHome) -> None:
    """Fails when fewer rows are deleted from the disk than have expired."""
    ledger = await home.open(ids=20)
    for number in range(60):
        await ledger.commit(batch([number]))
    assert ledger.status().window_ids == 20
    assert ledger.status().window_expired["ids"] == 40
    assert (await ledger.commit(batch(range(40, 60)))).duplicates == 20
    await ledger.close()
    assert rows(home.folder) == [1] * 20
    ledger = await home.open(ids=10, slack=5)
    assert ledger.status().window_ids == 10
    assert (await ledger.commit(batch(range(49, 60)))).verdicts == bytes(
        [ACCEPTED, *[DUPLICATE] * 10]
    )


# --- rows on the disk --------------------------------------------------------------------------


def rows(folder: Path) -> list[int]:
    """The number of ids in each row on disk of a closed ledger."""
    connection = apsw.Connection(str(folder / "ledger.db"))
    lengths = [row[0] // 16 for row in connection.execute("SELECT length(keys) FROM ids")]
    connection.close()
    return lengths


async def test_small_commits_share_rows_and_every_id_stays_known(home: SqliteHome) -> None:
    """Fails when commits share no rows, and when shared ids lose fingerprints or change their order."""
    events = [(number, number % 7) for number in range(400)]
    for part, expected in ((events[:200], [128, 72]), (events[200:], [128, 128, 128, 16])):
        ledger = await home.open(ids=100_000)
        for event in part:
            await ledger.commit(batch([event]))
        await ledger.close()
        assert rows(home.folder) == expected
    ledger = await home.open(ids=100_000)
    receipt = await ledger.commit(batch([*events, (1000, 0), (3, 5)]))
    assert (receipt.duplicates, receipt.accepted, receipt.conflicts) == (400, 1, 1)


async def test_ids_of_a_shared_row_expire_with_the_latest(home: SqliteHome) -> None:
    """Fails when a row has the age of its first commit, and when distant commits share a row."""
    ledger = await home.open(ids=100_000, age=2400.0)
    for number in range(3):
        await ledger.commit(batch([number]))
        home.monotonic.advance(60)
    assert ledger.status().window_span == 120
    home.monotonic.advance(2400 - 120)
    await ledger.commit(batch([], unkeyed=1))
    assert (await ledger.commit(batch([0]))).duplicates == 1
    home.monotonic.advance(60)
    await ledger.commit(batch([], unkeyed=1))
    assert (await ledger.commit(batch([0, 1, 2]))).verdicts == bytes([0, 0, 1])
    assert ledger.status().window_expired == {"age": 2, "ids": 0}


def filled(counts: list[int], *, ids: int = 100, age: float = 1000.0, slack: int = 50) -> Segments:
    """Segments with one row per commit: commits 1, 2, … at ages 1, 2, … seconds."""
    segments = Segments(ids, age, ids + slack)
    for number, count in enumerate(counts, start=1):
        segments.add(Segment(number, count, number, number))
    return segments


def test_few_rows_expire_by_age_in_one_transaction() -> None:
    assert len(filled([1] * 20, age=100.0).due(1000.0, 0)) == 8


def test_ids_of_a_shared_row_count_once_against_the_bound() -> None:
    segments = filled([1], ids=2 * ROWS_PER_BOUND, slack=10)
    segments.add(segments.extended(2, 1, 1.0))
    assert not segments.due(1.0, 2 * ROWS_PER_BOUND - 1)
    assert len(segments.due(1.0, 2 * ROWS_PER_BOUND)) == 1


@pytest.mark.parametrize(
    ("count", "ids", "age", "slack"),
    [
        (ROW_IDS, 100_000, 86400.0, 10_000),
        (1, 2 * ROWS_PER_BOUND - 1, 86400.0, 1000),
        (1, 100_000, ROWS_PER_BOUND, 1000),
        (1, 100_000, 86400.0, 3),
    ],
    ids=["full row", "ids", "age", "slack"],
)
def test_commit_gets_a_row_of_its_own_where_sharing_makes_a_bound_coarse(
    count: int, ids: int, age: float, slack: int
) -> None:
    segments = filled([count], ids=ids, age=age, slack=slack)
    assert segments.extended(2, 1, 2.1) == Segment(2, 1, 2.1, 2.1)
