"""The users whose ends are remembered to detect repeats."""

import pytest

from exporter.ledger import repeats
from exporter.ledger.contract import REPEAT_WINDOW
from exporter.ledger.repeats import RecentUsers
from tests.ledger.home import Clock


def test_oldest_users_are_forgotten_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MAX_USERS", 3)
    recent = RecentUsers(Clock(0.0))
    for user in (b"a", b"b", b"c", b"a", b"d"):
        recent.remember([user], recent.repeats([user]))
    assert recent.repeats([b"b", b"c", b"d"]) == [True, True, True]
    assert recent.repeats([b"a"]) == [False]


def test_users_of_ended_windows_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when an ended window still counts against the bound, or ends the window of another user."""
    clock = Clock(0.0)
    monkeypatch.setattr(repeats, "MAX_USERS", 2)
    recent = RecentUsers(clock)
    recent.remember([b"a"], [False])
    clock.advance(REPEAT_WINDOW - 1)
    recent.remember([b"b"], [False])
    clock.advance(1)
    assert recent.repeats([b"a", b"b", None]) == [False, True, False]
    recent.remember([b"a", None], [False, False])
    assert recent.repeats([b"a", b"b", None]) == [True, True, False]
