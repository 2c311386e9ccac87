"""The stores of ledgers under test: what the contract's tests need from an implementation."""

import shutil
from pathlib import Path
from typing import Any, Protocol, TypeVar

from exporter.ledger.contract import Ledger
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.clock import Clock

L = TypeVar("L", bound=Ledger)
OPENED: list[Ledger] = []


def tracked(ledger: L) -> L:
    """The ledger, which is closed at the end of the test."""
    OPENED.append(ledger)
    return ledger


async def close_ledgers() -> None:
    while OPENED:
        await OPENED.pop().close()


class Home(Protocol):
    """Opens ledgers over one store, one after the other; `wall` and `monotonic` are their clocks."""

    wall: Clock
    monotonic: Clock

    async def open(self, **options: Any) -> Ledger:
        """The ledger of the store; `options` are settings of any implementation."""


class SqliteHome:
    """Ledgers in one folder."""

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


def crash(source: Path, target: Path) -> None:
    """Copy the files of an open ledger as a process leaves them that ends now.

    The marker comes first: after a crash it may be older than the database, never newer. Does not test fsync,
    because the copies come from the page cache.
    """
    target.mkdir()
    for name in ("ledger.marker", "ledger.db", "ledger.db-wal"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
