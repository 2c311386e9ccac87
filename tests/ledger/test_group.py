"""One group of batches, judged together."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.ledger.contract import ACCEPTED, CONFLICT, DUPLICATE
from exporter.ledger.group import Group
from exporter.ledger.window import Window
from tests.ledger.batches import FAILURE, OTHER, Event, batch

EVENTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), max_size=8)
BATCHES = st.lists(st.tuples(EVENTS, st.integers(0, 3)), max_size=6)


@given(st.lists(BATCHES, max_size=4))
def test_verdicts_are_those_of_one_event_after_the_other(
    groups: list[list[tuple[list[Event], int]]],
) -> None:
    window = Window(1000, 0)
    first: dict[int, int] = {}
    for batches in groups:
        group = Group([batch(events, unkeyed=n) for events, n in batches], window)
        accepted = 0
        for (events, unkeyed), receipt in zip(batches, group.receipts(), strict=True):
            expected = []
            for number, what in events:
                if number not in first:
                    first[number] = what
                    expected.append(ACCEPTED)
                else:
                    expected.append(DUPLICATE if first[number] == what else CONFLICT)
            verdicts = bytes(expected + [ACCEPTED] * unkeyed)
            assert receipt.verdicts == (verdicts if any(verdicts) else None)
            assert receipt.events == len(verdicts)
            assert receipt.accepted == verdicts.count(ACCEPTED)
            accepted += receipt.accepted
        assert len(group.series()) == accepted
        window.add(group.keys, group.fingerprints)
        assert len(window) == len(first)


def test_columns_are_those_of_the_accepted_events() -> None:
    group = Group(
        [
            batch([1, 1], durations=[1.0, 2.0]),
            batch([2, 1], of=OTHER, unkeyed=1, sessions=["a", "b", "c"]),
        ],
        Window(10, 0),
    )
    assert Counter(group.series()) == {FAILURE: 1, OTHER: 2}
    assert group.durations() == [1.0, None, None]
    assert group.sessions() == [None, "a", "c"]


def test_columns_that_no_batch_has_are_absent() -> None:
    group = Group([batch([1])], Window(10, 0))
    assert group.durations() is None
    assert group.sessions() is None
