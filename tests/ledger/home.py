"""Stores of ledgers under test, in the form that the contract's tests need."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from exporter.ledger.contract import Ledger, Series, Total
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from tests.clock import Clock
from tests.ledger.batches import FAILURE

L = TypeVar("L", bound=Ledger)
OPENED: list[Ledger] = []


class SqliteHome:
    """Opens ledgers in one folder, one after the other; `wall` and `monotonic` are their clocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall = Clock(1_800_000_000.0)
        self.monotonic = Clock(1000.0)

    def plan(self, **options: Any) -> Plan:
        clocks = {"wall": self.wall, "monotonic": self.monotonic}
        return Plan(self.folder, **{"ids": 1000, **clocks, **options})

    async def open(self, **options: Any) -> SqliteLedger:
        plan = {name: options.pop(name) for name in Plan.__annotations__ if name in options}
        return tracked(await SqliteLedger.open(self.plan(**plan), **options))


def tracked(ledger: L) -> L:
    """Return the ledger, and close it at the end of the test."""
    OPENED.append(ledger)
    return ledger


async def close_ledgers() -> None:
    while OPENED:
        await OPENED.pop().close()


def crash(source: Path, target: Path) -> None:
    """Copy the files of an open ledger as they would be if its process ended now.

    The marker comes first: after a crash it may be older than the database, never newer. Does not test fsync,
    because the copies come from the page cache.
    """
    target.mkdir()
    for name in ("ledger.marker", "ledger.db", "ledger.db-wal"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def total(ledger: Ledger, of: Series = FAILURE) -> Total:
    [match] = [total for total in ledger.totals().series if total.series.key == of.key]
    return match


def value(ledger: Ledger, of: Series = FAILURE) -> int:
    return sum(total.value for total in ledger.totals().series if total.series.key == of.key)


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return when the condition is true. Raises `AssertionError` when it is not true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.002)
