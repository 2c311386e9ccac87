"""Repeated ends of one user, found among the ends in files."""

import pytest

from exporter.backtest import repeats
from exporter.backtest.repeats import Repeats


def test_repeats_follow_within_15_minutes_in_any_order_of_the_file() -> None:
    users = Repeats()
    times = [10_000.0, 10_800.0, 10_900.0, 9_101.0, 8_000.0]
    assert [users.add("s", "1", "u", at) for at in times] == [False, True, False, False, False]
    assert [users.add("s", "1", "u", at) for at in (8_899.0, 7_101.0)] == [True, True]


def test_system_code_and_user_are_distinguished() -> None:
    users = Repeats()
    keys = [("s", "1", "u"), ("t", "1", "u"), ("s", "2", "u"), ("s", "1", "v")]
    assert [users.add(*key, 0.0) for key in keys] == [False] * 4
    assert [users.add(*key, 1.0) for key in keys] == [True] * 4


def test_oldest_user_is_forgotten_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_MOST_USERS", 2)
    users = Repeats()
    assert not any(users.add("s", "1", user, 0.0) for user in "abc")
    assert [users.add("s", "1", user, 1.0) for user in "cba"] == [True, True, False]
