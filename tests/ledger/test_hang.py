"""A disk at which a write hangs: nobody waits without bound, and nothing counts twice."""

import asyncio
import threading
import time
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.contract import Receipt
from exporter.ledger.store import Store
from tests.ledger.batches import batch
from tests.ledger.home import SqliteHome
from tests.ledger.shown import value
from tests.ledger.waiting import until

WRITE = Store.write
LONGEST = 1.5
"""Seconds: longer than a write takes on a busy machine."""


class Hang:
    """Makes `Store.write` wait before it writes, from `begin` to `end`; `writing` is set by a call."""

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


async def test_a_write_that_hangs_is_answered_and_counted_once_when_it_comes_back(
    home: SqliteHome, hang: Hang
) -> None:
    """Mutants it fails on: no look at the writer (the first wait never ends), new batches taken while it
    hangs, batches written that waited behind it (6 unkeyed events)."""
    broken: list[int] = []
    ledger = await home.open(longest_write=LONGEST, on_broken=lambda: broken.append(1))
    await ledger.commit(batch([1]))
    hang.begin()
    first = asyncio.create_task(ledger.commit(batch([2], unkeyed=1)))
    # In the writer's hands, so that the next ones wait behind it.
    await until(hang.writing.is_set)
    behind = [asyncio.create_task(ledger.commit(batch([3], unkeyed=1))) for _ in range(4)]
    gone = asyncio.create_task(ledger.commit(batch([4])))
    deferrable = asyncio.create_task(ledger.commit(batch([5], deferrable=True)))
    await asyncio.sleep(0)
    gone.cancel()
    answers = await asyncio.gather(first, *behind, deferrable, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LedgerUnavailable}
    assert "nobody knows yet whether the events are counted" in str(answers[0])
    assert f"the disk of {home.folder} hangs" in str(ledger.status().problem)
    assert ledger.status().queue_events == 0
    with pytest.raises(LedgerUnavailable, match="hangs") as refusal:
        await ledger.commit(batch([2]))
    # Refused at once, so it is known what became of it.
    assert (refusal.value.retry_after, "nobody knows" in str(refusal.value)) == (5, False)
    assert value(ledger) == 1
    hang.end()
    await until(lambda: ledger.status().problem is None)
    receipt = await ledger.commit(batch([2, 3, 4, 5]))
    # 2 was being written; 4's sender went away, which takes nothing back.
    assert (receipt.accepted, receipt.duplicates) == (2, 2)
    assert value(ledger) == 6
    assert (ledger.status().queue_events, ledger.status().queue_bytes) == (0, 0)
    assert not broken
    await ledger.close()


async def test_a_slow_write_is_no_hang(home: SqliteHome, hang: Hang) -> None:
    ledger = await home.open(longest_write=60.0)
    hang.begin()
    waiting = asyncio.create_task(ledger.commit(batch([1])))
    # Longer than a look takes.
    done, _ = await asyncio.wait([waiting], timeout=1.2)
    assert not done
    assert ledger.status().problem is None
    hang.end()
    assert (await waiting).accepted == 1
    await ledger.close()


async def test_housekeeping_that_hangs_is_noticed_without_events(
    home: SqliteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant it fails on: only commits timed."""
    ledger = await home.open(longest_write=LONGEST)
    free = threading.Event()

    def size(_: Store) -> int:
        free.wait(60)
        return 1

    monkeypatch.setattr(Store, "size", size)
    home.monotonic.advance(1.1)
    await until(lambda: ledger.status().problem)
    free.set()
    await until(lambda: ledger.status().problem is None)
    await ledger.close()


async def test_a_hang_is_logged_once(
    home: SqliteHome, hang: Hang, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    for level in ("error", "info"):
        monkeypatch.setattr(
            f"exporter.ledger.sqlite.log.{level}", lambda event, **_: lines.append(event)
        )
    ledger = await home.open(longest_write=LONGEST)
    hang.begin()
    with pytest.raises(LedgerUnavailable):
        await ledger.commit(batch([1]))
    began = time.monotonic()
    await until(lambda: time.monotonic() > began + 1.2)
    hang.end()
    await until(lambda: len(lines) > 1)
    assert lines == ["ledger_unavailable", "ledger_recovered"]
    await ledger.close()


async def test_closing_does_not_wait_for_a_write_that_hangs(home: SqliteHome, hang: Hang) -> None:
    """Mutant it fails on: `close` waits for the writer's thread."""
    broken: list[int] = []
    ledger = await home.open(longest_write=LONGEST, on_broken=lambda: broken.append(1))
    hang.begin()
    waiting = asyncio.create_task(ledger.commit(batch([1])))
    await until(hang.writing.is_set)
    await asyncio.wait_for(ledger.close(), 20)
    assert broken == [1]
    await asyncio.wait_for(ledger.close(), 20)
    with pytest.raises(LedgerUnavailable):
        await waiting
    assert broken == [1]
    assert "hangs" in str(ledger.status().problem)
    hang.end()
    await until(lambda: not any(thread.name == "ledger" for thread in threading.enumerate()))
    again = await home.open()
    receipt = await again.commit(batch([1]))
    assert isinstance(receipt, Receipt)
    assert value(again) == 1
    await again.close()
