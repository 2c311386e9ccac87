"""A group commit: the batches of one transaction as one set of columns, and their verdicts."""

from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from exporter.ledger.contract import (
    ACCEPTED,
    CONFLICT,
    DUPLICATE,
    FINGERPRINT_BYTES,
    KEY_BYTES,
    Batch,
    Receipt,
    Series,
)
from exporter.ledger.window import Window, Words, has_repeats, words

T = TypeVar("T")
Verdicts = npt.NDArray[np.uint8]


class Group:
    """Batches in the order of the `commit` calls; `keys` and `fingerprints` are those of accepted events."""

    def __init__(self, batches: Sequence[Batch], window: Window) -> None:
        self._batches = batches
        self._verdicts: Verdicts | None = None
        keys = words(b"".join([batch.keys for batch in batches]), KEY_BYTES)
        fingerprints = words(b"".join([batch.fingerprints for batch in batches]), FINGERPRINT_BYTES)
        verdicts = _judge(keys, fingerprints, window)
        if verdicts is not None:
            new = verdicts == ACCEPTED
            keys, fingerprints = keys[new], fingerprints[new]
            self._verdicts = np.zeros(sum(map(len, batches)), np.uint8)
            self._verdicts[self._keyed()] = verdicts
        self.keys, self.fingerprints = keys, fingerprints

    def series(self) -> list[Series]:
        """The series of each accepted event."""
        return self._accepted([batch.series for batch in self._batches])

    def durations(self) -> list[float | None] | None:
        """The duration of each accepted event in seconds, or None when no batch has durations."""
        if all(batch.durations is None for batch in self._batches):
            return None
        return self._accepted([batch.durations or [None] * len(batch) for batch in self._batches])

    def sessions(self) -> list[str | None] | None:
        """The session id of each accepted event, or None when no batch has session ids."""
        if all(batch.sessions is None for batch in self._batches):
            return None
        return self._accepted([batch.sessions or [None] * len(batch) for batch in self._batches])

    def receipts(self) -> list[Receipt]:
        """The receipt of each batch."""
        if self._verdicts is None:
            return [Receipt(len(batch)) for batch in self._batches]
        receipts, start = [], 0
        for batch in self._batches:
            verdicts = self._verdicts[start : start + len(batch)]
            receipts.append(Receipt(len(batch), verdicts.tobytes() if verdicts.any() else None))
            start += len(batch)
        return receipts

    def _keyed(self) -> npt.NDArray[np.bool_]:
        """Whether each event has a key: in a batch the first events do."""
        counts = [(len(batch.keys) // KEY_BYTES, len(batch)) for batch in self._batches]
        return np.concatenate([np.arange(events) < keyed for keyed, events in counts])

    def _accepted(self, columns: Sequence[Sequence[T]]) -> list[T]:
        column = chain.from_iterable(columns)
        if self._verdicts is None:
            return list(column)
        return [value for value, verdict in zip(column, self._verdicts, strict=True) if not verdict]


def _judge(keys: Words, fingerprints: Words, window: Window) -> Verdicts | None:
    """The verdict on each key, or None when all keys are new, which is the usual case."""
    positions = window.find(keys)
    known = positions > 0
    repeated = has_repeats(keys)
    if not repeated and not known.any():
        return None
    verdicts = np.zeros(len(keys), np.uint8)
    differs = window.fingerprints(positions[known]) != fingerprints[known, 0]
    verdicts[known] = np.where(differs, CONFLICT, DUPLICATE)
    if repeated:
        firsts: dict[bytes, int] = {}
        for index in np.flatnonzero(~known).tolist():
            first = firsts.setdefault(keys[index].tobytes(), index)
            if first != index:
                same = fingerprints[first, 0] == fingerprints[index, 0]
                verdicts[index] = DUPLICATE if same else CONFLICT
    return verdicts
