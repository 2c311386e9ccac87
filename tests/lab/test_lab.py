"""The short lab: the shipped rules keep their recorded figures, and worse ones are noticed."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from exporter.policy.loader import load
from exporter.policy.model import Duration, Fraction, Policy
from tests.lab.recorded import short, worse
from tests.lab.runs import KEPT, OURS, campaign


def doubled(policy: Policy) -> Policy:
    """Every limit twice as high."""
    limit = policy.limit
    windows = tuple(
        replace(one, floor=2 * one.floor, of_ends=Fraction(2 * one.of_ends), rest=2 * one.rest)
        for one in limit.windows
    )
    return replace(
        policy,
        limit=replace(limit, factor=2 * limit.factor, root=2 * limit.root, windows=windows),
    )


def five_minutes_only(policy: Policy) -> Policy:
    first, *others = policy.limit.windows
    never = [replace(one, floor=1e12) for one in others]
    return replace(policy, limit=replace(policy.limit, windows=(first, *never)))


def bursts_count(policy: Policy) -> Policy:
    """Without what tells one user's retries from an outage."""
    windows = tuple(replace(one, rest=-1e9) for one in policy.limit.windows)
    return replace(policy, limit=replace(policy.limit, windows=windows))


def slices_count_in_full(policy: Policy) -> Policy:
    """Without what tells two users' retries from an outage."""
    return replace(policy, spike=replace(policy.spike, cap=1e12))


def test_recall_false_pages_and_detection_are_no_worse_than_recorded() -> None:
    assert worse(short()) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (doubled, "found"),
        (five_minutes_only, "found"),
        (bursts_count, "false_pages"),
        (slices_count_in_full, "false_pages"),
    ],
)
def test_a_worse_policy_is_noticed(change: Callable[[Policy], Policy], named: str) -> None:
    found = worse(short(change(load())))
    assert any(f": {named} " in line for line in found), found


def test_a_budget_that_is_kept_is_not_told_of_again_and_again() -> None:
    """A ticket for most of the 20 incidents at the most, and not one each time that the last pair of windows
    goes on and off by chance after them: 28 a month with the usual fifteen minutes."""

    def tickets(policy: Policy) -> int:
        return campaign((10_000,), (1,), policy=policy, failing=KEPT)[OURS, 10_000].budgets

    kept, short_lived = load(), replace(load().budget, keep_firing_for=Duration("15m"))
    most = 2 * 8
    assert 0 < tickets(kept) <= most < tickets(replace(kept, budget=short_lived))
