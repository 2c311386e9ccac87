"""The verdicts of a group of batches: a loop over few keys and numpy over many give the same."""

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.ledger.contract import Receipt
from exporter.ledger.group import Group
from exporter.ledger.window import Window
from tests.ledger.batches import batch

MANY = range(1000, 1100)
"""Keys of an additional batch that makes the group large."""

event = st.tuples(st.integers(0, 20), st.integers(0, 2))
batches = st.lists(
    st.tuples(st.lists(event, max_size=3), st.integers(0, 2)), min_size=1, max_size=4
)


def receipts(groups: list[list[tuple[list[tuple[int, int]], int]]], large: bool) -> list[Receipt]:
    """The receipts of groups of (events, number of events without a key), without that of the filler."""
    window = Window(5000, 500)
    answers = []
    for number, group in enumerate(groups):
        filler = [batch([n + 100 * number for n in MANY])] if large else []
        sent = Group([*(batch(events, unkeyed=n) for events, n in group), *filler], window)
        answers += sent.receipts()[: len(group)]
        sent.remember()
    return answers


@settings(deadline=None)
@given(st.lists(batches, min_size=1, max_size=5))
def test_few_and_many_keys_have_the_same_verdicts(
    groups: list[list[tuple[list[tuple[int, int]], int]]],
) -> None:
    assert receipts(groups, large=False) == receipts(groups, large=True)
