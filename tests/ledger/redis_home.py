"""Shared ledgers under test: all ledgers of one home are replicas over one store."""

import asyncio
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.contract import Series
from exporter.ledger.redis.connection import Plan
from exporter.ledger.redis.ledger import RedisLedger
from exporter.settings.ledger_address import parse
from tests.ledger.batches import FAILURE, batch
from tests.ledger.home import Clock, tracked, until

_PLAN = {field.name for field in fields(Plan)}


class RedisHome:
    """Ledgers over the store at `url`; `monotonic` replaces Redis' clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.wall = Clock(1_800_000_000.0)
        self.monotonic = Clock(1000.0)

    async def open(self, *, ids: int = 1000, **options: Any) -> RedisLedger:
        """Join the ledger. `ids` has no effect: a shared ledger has no bound of ids."""
        plan = {"clock": self.monotonic, "timeout": 2.0, "wall": self.wall}
        plan |= {name: options.pop(name) for name in _PLAN & options.keys()}
        return tracked(await RedisLedger.open(Plan(parse(self.url), **plan), **options))


async def retried(
    ledger: RedisLedger, numbers: Iterable[int], of: Series = FAILURE, seconds: float = 60.0
) -> None:
    """Send a batch until it is acknowledged, as senders do."""
    events = batch(numbers, of=of)
    async with asyncio.timeout(seconds):
        while True:
            try:
                receipt = await ledger.commit(events)
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
            else:
                assert receipt.accepted + receipt.duplicates == len(events)
                return


async def unavailable(ledger: RedisLedger, *numbers: int) -> LedgerUnavailable:
    with pytest.raises(LedgerUnavailable) as refusal:
        await ledger.commit(batch(numbers))
    return refusal.value


async def recovered(ledger: RedisLedger) -> None:
    await until(lambda: ledger.status().problem is None)
