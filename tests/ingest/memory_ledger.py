"""A ledger in memory."""

import asyncio

from exporter.errors import Refused
from exporter.ledger.contract import (
    CONFLICT,
    DUPLICATE,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    Answered,
    Batch,
    Receipt,
    Status,
    Totals,
)


def keys_and_fingerprints(batch: Batch) -> tuple[list[bytes], list[bytes]]:
    """Keys and fingerprints of the events that have a key."""
    columns = ((batch.keys, KEY_BYTES), (batch.fingerprints, FINGERPRINT_BYTES))
    keys, fingerprints = (
        [data[start : start + size] for start in range(0, len(data), size)]
        for data, size in columns
    )
    return keys, fingerprints


class MemoryLedger:
    """Gives the verdicts of the contract. `batches` are the counted batches; `refusal` is raised when set.

    It has no durability, group commit, bounds of the window, restarts or concurrency: the tests of the real
    ledger cover them.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.refusal: Refused | None = None
        self._fingerprints: dict[bytes, bytes] = {}

    def enqueue(self, batch: Batch, answered: Answered) -> None:
        asyncio.get_running_loop().call_soon(answered, self._count(batch))

    async def commit(self, batch: Batch) -> Receipt:
        return self._count(batch)

    def _count(self, batch: Batch) -> Receipt:
        if self.refusal is not None:
            raise self.refusal
        for column in (batch.durations, batch.sessions):
            assert column is None or len(column) == len(batch)
        self.batches.append(batch)
        verdicts = bytearray(len(batch))
        pairs = zip(*keys_and_fingerprints(batch), strict=True)
        for index, (key, fingerprint) in enumerate(pairs):
            first = self._fingerprints.setdefault(key, fingerprint)
            if first is not fingerprint:
                verdicts[index] = DUPLICATE if first == fingerprint else CONFLICT
        return Receipt(len(batch), bytes(verdicts) if any(verdicts) else None)

    def totals(self) -> Totals:
        return Totals("memory", (), ())

    def status(self) -> Status:
        return Status()

    async def close(self) -> None:
        pass
