"""Where a ledger under test lives: what the contract's tests need to know of an implementation."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from exporter.ledger.contract import Ledger, Series
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from tests.ledger.clock import Clock


class Home(Protocol):
    """Opens ledgers over one store, one after the other; `wall` and `monotonic` are their clocks."""

    wall: Clock
    monotonic: Clock

    async def open(
        self,
        *,
        ids: int = 1000,
        age: float = 86400.0,
        zero: Sequence[Series] = (),
        label_names: tuple[str, ...] = (),
        **options: Any,
    ) -> Ledger:
        """The store's ledger, with what was counted in it before."""


class SqliteHome:
    """Ledgers in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall = Clock(1_800_000_000.0)
        self.monotonic = Clock(1000.0)

    def plan(self, *, ids: int = 1000, age: float = 86400.0, **options: Any) -> Plan:
        return Plan(self.folder, ids=ids, age=age, wall=self.wall, **options)

    async def open(
        self,
        *,
        ids: int = 1000,
        age: float = 86400.0,
        zero: Sequence[Series] = (),
        label_names: tuple[str, ...] = (),
        **options: Any,
    ) -> SqliteLedger:
        plan = self.plan(ids=ids, age=age, zero=zero, label_names=label_names)
        return await SqliteLedger.open(plan, monotonic=self.monotonic, **options)


def crash(source: Path, target: Path) -> None:
    """Copy what a process that ends this moment leaves behind, while it has the ledger open.

    The marker first: it may be older than the database after a crash, never newer. Does not test
    fsync: what is copied comes from the page cache.
    """
    target.mkdir()
    for name in ("ledger.marker", "ledger.db", "ledger.db-wal"):
        if (source / name).exists():
            shutil.copy(source / name, target / name)
