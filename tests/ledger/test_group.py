"""The batches of a group commit, judged together."""

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
            for number, content in events:
                known = number in first
                same = first.setdefault(number, content) == content
                expected.append((DUPLICATE if same else CONFLICT) if known else ACCEPTED)
            verdicts = bytes(expected + [ACCEPTED] * unkeyed)
            assert receipt.verdicts == (verdicts if any(verdicts) else None)
            assert receipt.events == len(verdicts)
            accepted += receipt.accepted
        assert len(group.series()) == accepted
        window.add(group.keys, group.fingerprints)
        assert len(window) == len(first)


def test_columns_have_the_accepted_events() -> None:
    first = batch([1, 1], durations=[1.0, 2.0])
    second = batch([2, 1], of=OTHER, unkeyed=1, sessions=["a", "b", "c"])
    group = Group([first, second], Window(10, 0))
    assert Counter(group.series()) == {FAILURE: 1, OTHER: 2}
    assert group.durations() == [1.0, None, None]
    assert group.sessions() == [None, "a", "c"]
    plain = Group([batch([1])], Window(10, 0))
    assert (plain.durations(), plain.sessions()) == (None, None)
