"""Shared ledgers under test: all of one home are replicas over one store."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable
from exporter.ledger.contract import Series
from exporter.ledger.redis.address import parse
from exporter.ledger.redis.ledger import RedisLedger
from exporter.ledger.redis.plan import Plan
from tests.ledger.batches import FAILURE, batch
from tests.ledger.clock import Clock
from tests.ledger.home import tracked
from tests.ledger.shown import value
from tests.ledger.waiting import until

PLAN = (
    "on_labels",
    "first_seen_delay",
    "shards",
    "timeout",
    "patience",
    "wait",
    "zero_durations",
    "password_file",
    "clock",
)


class RedisHome:
    """Ledgers over the store at `url`; `monotonic` stands in for the engine's clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.wall = Clock(1_800_000_000.0)
        self.monotonic = Clock(1000.0)

    def plan(self, **options: Any) -> Plan:
        options = {"clock": self.monotonic, "timeout": 2.0, **options}
        return Plan(parse(self.url), wall=self.wall, **options)

    async def open(
        self,
        *,
        ids: int = 1000,
        age: float = 86400.0,
        zero: Sequence[Series] = (),
        label_names: tuple[str, ...] = (),
        **options: Any,
    ) -> RedisLedger:
        chosen = {name: options.pop(name) for name in PLAN if name in options}
        plan = self.plan(age=age, zero=zero, label_names=label_names, **chosen)
        return tracked(await RedisLedger.open(plan, **options))


async def retried(
    ledger: RedisLedger, numbers: Iterable[int], of: Series = FAILURE, seconds: float = 60.0
) -> None:
    """Send a batch until it is acknowledged, as a sender does."""
    one = batch(numbers, of=of)
    async with asyncio.timeout(seconds):
        while True:
            try:
                receipt = await ledger.commit(one)
            except LedgerUnavailable:
                await asyncio.sleep(0.02)
            else:
                assert receipt.accepted + receipt.duplicates == len(one)
                return


def same(ledger: RedisLedger, other: RedisLedger, of: Series = FAILURE) -> bool:
    return value(ledger, of) == value(other, of)


async def unavailable(ledger: RedisLedger, *numbers: int) -> LedgerUnavailable:
    with pytest.raises(LedgerUnavailable) as refusal:
        await ledger.commit(batch(numbers))
    return refusal.value


async def works(ledger: RedisLedger) -> None:
    await until(lambda: ledger.status().problem is None)
