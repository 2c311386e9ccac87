"""A ledger in memory."""

import asyncio

from exporter.errors import Refused
from exporter.ledger.contract import (
    ACCEPTED,
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
        keyed = len(batch.keys) // KEY_BYTES
        assert len(batch.keys) == keyed * KEY_BYTES
        assert len(batch.fingerprints) == keyed * FINGERPRINT_BYTES
        assert keyed <= len(batch)
        for column in (batch.durations, batch.sessions):
            assert column is None or len(column) == len(batch)
        self.batches.append(batch)
        verdicts = bytearray(len(batch))
        for index in range(keyed):
            key = batch.keys[index * KEY_BYTES : (index + 1) * KEY_BYTES]
            fingerprint = batch.fingerprints[
                index * FINGERPRINT_BYTES : (index + 1) * FINGERPRINT_BYTES
            ]
            first = self._fingerprints.setdefault(key, fingerprint)
            if first is not fingerprint:
                verdicts[index] = DUPLICATE if first == fingerprint else CONFLICT
        return Receipt(len(batch), bytes(verdicts) if any(verdicts) else None)

    def totals(self) -> Totals:
        return Totals("memory", (), ())

    def status(self) -> Status:
        return Status()

    async def close(self) -> None:
        assert ACCEPTED == 0
