"""The deduplication window, compared with a dict."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.window import Window, Words, has_repeats


def keys_of(numbers: list[int]) -> Words:
    """Keys with low bits of 0 or 1, which select the bucket: a chain has half of the window."""
    return np.array([[(n << 40) | (n & 1), n % 3] for n in numbers], np.uint64).reshape(-1, 2)


def add(window: Window, numbers: list[int]) -> None:
    window.add(keys_of(numbers), np.array([n * 7 for n in numbers], np.uint64))


@given(
    st.integers(1, 40),
    st.integers(0, 24),
    st.lists(st.tuples(st.lists(st.integers(0, 120), max_size=30), st.integers(0, 30))),
)
def test_window_finds_the_same_ids_as_a_dict(
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
        known = sorted(model)
        assert [n for n in range(121) if found[n]] == known
        assert window.fingerprints(found[found > 0]).tolist() == [n * 7 for n in known]
        assert window.latest(len(model))[0] == keys_of(list(model)).tobytes()


def test_keys_that_differ_only_in_their_second_half_are_different() -> None:
    window = Window(10, 0)
    keys = np.array([[0, 0], [0, 2]], np.uint64)
    assert window.find(keys).tolist() == [0, 0]
    window.add(keys[:1], np.array([1], np.uint64))
    assert window.find(keys).tolist() == [1, 0]


def test_keys_that_do_not_fit_are_refused_and_overwrite_nothing() -> None:
    window = Window(4, 2)
    add(window, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="3 keys do not fit: 4 of 6 are taken"):
        add(window, [5, 6, 7])
    assert window.find(keys_of([1, 2, 3, 4, 5])).tolist() == [1, 2, 3, 4, 0]


def test_memory_is_at_most_150_bytes_per_id() -> None:
    for ids in (1000, 1_000_000, 1_048_577):
        assert Window(ids, 16_384).nbytes / (ids + 16_384) <= 150


@given(st.lists(st.integers(0, 50)))
def test_has_repeats_misses_no_repeated_key(numbers: list[int]) -> None:
    if len(set(numbers)) < len(numbers):
        assert has_repeats(keys_of(numbers))
    elif not numbers:
        assert not has_repeats(keys_of(numbers))
