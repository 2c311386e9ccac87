"""A disk on which a write hangs: no sender waits forever, and nothing counts twice."""

import asyncio
import threading
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.store import Store
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome, until, value

WRITE = Store.write
LONGEST = 1.5
"""Seconds: longer than a write takes on a busy machine."""


class Hang:
    """Makes `Store.write` wait from `begin` to `end`; `writing` is set while a write waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._free = threading.Event()
        self._free.set()
        self.writing = threading.Event()

        def write(store: Store, *args: Any) -> None:
            self.writing.set()
            self._free.wait(60)
            WRITE(store, *args)

        monkeypatch.setattr(Store, "write", write)
        self.end = self._free.set

    def begin(self) -> None:
        self.writing.clear()
        self._free.clear()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Hang:
    return Hang(monkeypatch)


async def test_batches_during_a_hang_are_refused_and_count_once(
    home: SqliteHome, hang: Hang
) -> None:
    """Row 30. Fails when nothing watches the writer, when new batches are taken during the hang, and when
    waiting batches are written after it (6 events without a key)."""
    broken: list[int] = []
    ledger = await home.open(longest_write=LONGEST, on_broken=lambda: broken.append(1))
    await ledger.commit(batch([1]))
    hang.begin()
    first = asyncio.create_task(ledger.commit(batch([2], unkeyed=1)))
    # The writer has the first batch: the next ones wait behind it.
    await until(hang.writing.is_set)
    behind = [asyncio.create_task(ledger.commit(batch([3], unkeyed=1))) for _ in range(4)]
    cancelled = asyncio.create_task(ledger.commit(batch([4])))
    deferrable = asyncio.create_task(ledger.commit(batch([5], deferrable=True)))
    await asyncio.sleep(0)
    cancelled.cancel()
    answers = await asyncio.gather(first, *behind, deferrable, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    assert "it is not known yet whether the events are counted" in str(answers[0])
    assert f"the disk of {home.folder} hangs" in str(ledger.status().problem)
    assert ledger.status().queue_events == 0
    with pytest.raises(LedgerUnavailable, match="hangs") as refusal:
        await ledger.commit(batch([2]))
    # Refused at once: it is known that nothing was counted.
    assert (refusal.value.retry_after, "not known" in str(refusal.value)) == (5, False)
    assert value(ledger) == 1
    hang.end()
    await until(lambda: ledger.status().problem is None)
    receipt = await ledger.commit(batch([2, 3, 4, 5]))
    # Only id 2 was being written.
    assert (receipt.accepted, receipt.duplicates) == (3, 1)
    assert value(ledger) == 6
    assert (ledger.status().queue_events, ledger.status().queue_bytes) == (0, 0)
    assert not broken


async def test_slow_write_is_not_a_hang(home: SqliteHome, hang: Hang) -> None:
    ledger = await home.open(longest_write=60.0)
    hang.begin()
    waiting = asyncio.create_task(ledger.commit(batch([1])))
    # Longer than the interval of the checks.
    done, _ = await asyncio.wait([waiting], timeout=1.2)
    assert not done
    assert ledger.status().problem is None
    hang.end()
    assert (await waiting).accepted == 1


async def test_housekeeping_that_hangs_is_noticed_without_events(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when only commits are timed."""
    ledger = await home.open(longest_write=LONGEST)
    free = threading.Event()
    monkeypatch.setattr(Store, "size", lambda _: free.wait(60) and 1)
    home.monotonic.advance(1.1)
    await until(lambda: ledger.status().problem)
    free.set()
    await until(lambda: ledger.status().problem is None)
