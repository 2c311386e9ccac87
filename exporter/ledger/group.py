"""One group commit: the batches that share a transaction, as one set of columns, and their verdicts."""

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
from exporter.ledger.window import Window, Words, repeats, words

T = TypeVar("T")


class Group:
    """Batches in the order in which `commit` was called, judged against the window as one."""

    def __init__(self, batches: Sequence[Batch], window: Window) -> None:
        self._batches = batches
        self.events = sum(map(len, batches))
        keys = words(b"".join([batch.keys for batch in batches]), KEY_BYTES)
        fingerprints = words(b"".join([batch.fingerprints for batch in batches]), FINGERPRINT_BYTES)
        judged = _judge(keys, fingerprints, window)
        self._verdicts: npt.NDArray[np.uint8] | None = None
        if judged is None:
            self.keys, self.fingerprints = keys, fingerprints
        else:
            new = judged == ACCEPTED
            self.keys, self.fingerprints = keys[new], fingerprints[new]
            self._verdicts = np.zeros(self.events, np.uint8)
            self._verdicts[self._keyed()] = judged

    def _keyed(self) -> npt.NDArray[np.bool_]:
        """Which of the group's events have a key: in each batch those in front."""
        keyed = np.zeros(self.events, np.bool_)
        start = 0
        for batch in self._batches:
            keyed[start : start + len(batch.keys) // KEY_BYTES] = True
            start += len(batch)
        return keyed

    def series(self) -> list[Series]:
        """The series of each accepted event."""
        return self._accepted(list(chain.from_iterable([batch.series for batch in self._batches])))

    def durations(self) -> list[float | None] | None:
        """The duration of each accepted event, seconds, or None when no batch has any."""
        if all(batch.durations is None for batch in self._batches):
            return None
        columns = [batch.durations or [None] * len(batch) for batch in self._batches]
        return self._accepted(list(chain.from_iterable(columns)))

    def sessions(self) -> list[str | None] | None:
        """The session id of each accepted event, or None when no batch has any."""
        if all(batch.sessions is None for batch in self._batches):
            return None
        columns = [batch.sessions or [None] * len(batch) for batch in self._batches]
        return self._accepted(list(chain.from_iterable(columns)))

    def receipts(self) -> list[Receipt]:
        """One receipt a batch, in order."""
        if self._verdicts is None:
            return [Receipt(len(batch)) for batch in self._batches]
        receipts = []
        start = 0
        for batch in self._batches:
            own = self._verdicts[start : start + len(batch)]
            receipts.append(Receipt(len(batch), own.tobytes() if own.any() else None))
            start += len(batch)
        return receipts

    def _accepted(self, column: list[T]) -> list[T]:
        if self._verdicts is None:
            return column
        return [value for value, verdict in zip(column, self._verdicts, strict=True) if not verdict]


def _judge(keys: Words, fingerprints: Words, window: Window) -> npt.NDArray[np.uint8] | None:
    """A verdict for each key, or None when all are accepted: what nearly every group is."""
    found = window.find(keys)
    known = found > 0
    repeated = repeats(keys)
    if not repeated and not known.any():
        return None
    verdicts = np.zeros(len(keys), np.uint8)
    differs = window.fingerprints(found[known]) != fingerprints[known, 0]
    verdicts[known] = np.where(differs, CONFLICT, DUPLICATE)
    if repeated:
        firsts: dict[bytes, int] = {}
        for index in np.flatnonzero(~known).tolist():
            first = firsts.setdefault(keys[index].tobytes(), index)
            if first != index:
                same = fingerprints[first, 0] == fingerprints[index, 0]
                verdicts[index] = DUPLICATE if same else CONFLICT
    return verdicts
