"""Stores of ledgers under test, in the form that the contract's tests need, and what tests ask a ledger."""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.contract import Ledger, Series, Total
from exporter.ledger.recovery import LedgerSettings
from exporter.ledger.redis.connection import RedisSettings
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.sqlite import SqliteLedger
from exporter.logs import Log
from exporter.settings.ledger_address import parse
from tests.clock import Clock
from tests.ledger.batches import FAILURE, batch

L = TypeVar("L", bound=Ledger)
OPENED: list[Ledger] = []
FULL = os.environ.get("FAULTS") == "full"
"""Whether fault tests run at full length, as `make faults` does."""


class Home:
    """`wall` and `monotonic` are the clocks of its ledgers; `calls` counts their "failure" and "broken"."""

    def __init__(self) -> None:
        self.wall, self.monotonic = Clock(1_800_000_000.0), Clock(1000.0)
        self.calls = Counter[str]()

    def _split(self, kind: type, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The options that are settings of this kind, and all others."""
        settings = {name: options.pop(name) for name in kind.__annotations__ if name in options}
        calls = {f"on_{name}": partial(self.calls.update, [name]) for name in ("failure", "broken")}
        return settings, {**calls, **options}


class SqliteHome(Home):
    """Opens ledgers in one folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def settings(self, **options: Any) -> LedgerSettings:
        clocks = {"wall": self.wall, "monotonic": self.monotonic}
        return LedgerSettings(self.folder, **{"ids": 1000, **clocks, **options})

    async def open(self, **options: Any) -> SqliteLedger:
        settings, others = self._split(LedgerSettings, options)
        return tracked(await SqliteLedger.open(self.settings(**settings), **others))


class RedisHome(Home):
    """Opens ledgers that are replicas over the store at `url`."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def open(self, *, ids: int = 1000, **options: Any) -> RedisLedger:
        """Join the ledger. `ids` has no effect: a shared ledger has no bound of ids."""
        given, others = self._split(RedisSettings, options)
        clocks = {"wall": self.wall, "monotonic": self.monotonic}
        # On a busy machine Redis may stall for longer than the default second.
        settings = {"timeout": 10.0, **clocks, **given}
        opened = await RedisLedger.open(RedisSettings(parse(self.url), **settings), **others)
        return tracked(opened)


def logged(monkeypatch: pytest.MonkeyPatch, state: Callable[[], object]) -> list[tuple[str, Any]]:
    """The events of the errors and infos that are logged from now on, with the state at that time."""
    lines: list[tuple[str, Any]] = []
    for level in ("error", "info"):
        monkeypatch.setattr(Log, level, lambda _, event, **__: lines.append((event, state())))
    return lines


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


async def retried(ledger: RedisLedger, numbers: Iterable[int], of: Series = FAILURE) -> None:
    """Send a batch until it is acknowledged, as senders do."""
    events = batch(numbers, of=of)
    async with asyncio.timeout(60):
        while True:
            try:
                receipt = await ledger.commit(events)
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
            else:
                assert receipt.accepted + receipt.duplicates == len(events)
                return


async def unavailable(ledger: Ledger, *numbers: int) -> LedgerUnavailable:
    with pytest.raises(LedgerUnavailable) as refusal:
        await ledger.commit(batch(numbers))
    return refusal.value


async def recovered(ledger: Ledger) -> None:
    await until(lambda: ledger.status().problem is None)
