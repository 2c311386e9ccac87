"""The deduplication window against a dict."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.window import Positions, Window, Words, repeats


def keys_of(numbers: list[int]) -> Words:
    """Keys whose low bits, which choose the bucket, are 0 or 1 only: chains of half the window."""
    return np.array([[(n << 40) | (n & 1), n % 3] for n in numbers], np.uint64).reshape(-1, 2)


def fingerprints_of(numbers: list[int]) -> Words:
    return np.array([n * 7 for n in numbers], np.uint64).reshape(-1, 1)


def add(window: Window, numbers: list[int]) -> None:
    window.add(keys_of(numbers), fingerprints_of(numbers))


@given(
    st.integers(1, 40),
    st.integers(0, 24),
    st.lists(st.tuples(st.lists(st.integers(0, 120), max_size=30), st.integers(0, 30))),
)
def test_it_finds_what_a_dict_of_the_last_ids_would(
    ids: int, slack: int, steps: list[tuple[list[int], int]]
) -> None:
    window = Window(ids, slack)
    model: OrderedDict[int, None] = OrderedDict()
    for numbers, expired in steps:
        new = [n for n in dict.fromkeys(numbers) if n not in model][: window.size]
        for _ in range(max(min(expired, len(model)), len(model) + len(new) - window.size)):
            model.popitem(last=False)
            window.expire(1)
        add(window, new)
        model.update(dict.fromkeys(new))
        assert len(window) == len(model)
        found = window.find(keys_of(list(range(121))))
        assert [n for n in range(121) if found[n]] == sorted(model)
        known = sorted(model)
        assert window.fingerprints(found[found > 0]).tolist() == [n * 7 for n in known]
        by_age: Positions = found[list(model)] if model else found[:0]
        assert (np.diff(by_age) == 1).all()


def test_the_ring_goes_round_many_times_without_losing_an_id() -> None:
    window = Window(100, 20)
    for start in range(0, 1000, 20):
        add(window, list(range(start, start + 20)))
        if len(window) > 100:
            window.expire(20)
        found = window.find(keys_of(list(range(max(0, start - 80), start + 20)))) > 0
        assert found.all()
        assert not window.find(keys_of(list(range(max(0, start - 80))))).any()


def test_keys_that_differ_in_their_second_half_only_are_different() -> None:
    window = Window(10, 0)
    window.add(np.array([[5, 1]], np.uint64), fingerprints_of([1]))
    assert window.find(np.array([[5, 1], [5, 2]], np.uint64)).tolist() == [1, 0]


def test_the_key_of_zeros_is_found_only_when_it_was_added() -> None:
    window = Window(10, 0)
    zeros = np.zeros((1, 2), np.uint64)
    assert not window.find(zeros).any()
    window.add(zeros, fingerprints_of([1]))
    assert window.find(zeros).tolist() == [1]


def test_what_does_not_fit_is_refused_and_nothing_is_overwritten() -> None:
    window = Window(4, 2)
    add(window, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="3 keys do not fit: 4 of 6 are taken"):
        add(window, [5, 6, 7])
    assert window.find(keys_of([1, 2, 3, 4, 5])).tolist() == [1, 2, 3, 4, 0]


def test_no_more_can_expire_than_there_is() -> None:
    window = Window(4, 2)
    add(window, [1])
    with pytest.raises(ValueError, match="2 keys can't expire: there are 1"):
        window.expire(2)


def test_its_memory_is_flat_and_at_most_150_bytes_an_id() -> None:
    for ids in (1000, 100_000, 1_000_000, 1_048_577):
        assert Window(ids, 16_384).nbytes / (ids + 16_384) <= 150
    window = Window(1000, 100)
    before = window.nbytes
    for start in range(0, 10_000, 100):
        add(window, list(range(start, start + 100)))
        if len(window) > 1000:
            window.expire(100)
    assert window.nbytes == before


@given(st.lists(st.integers(0, 50)))
def test_repeats_misses_no_repeated_key(numbers: list[int]) -> None:
    if len(set(numbers)) < len(numbers):
        assert repeats(keys_of(numbers))
    elif not numbers:
        assert not repeats(keys_of(numbers))
