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
from exporter.ledger.queued import joined, receipts
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

    def columns(
        self,
    ) -> tuple[
        list[Series],
        list[float | None] | None,
        list[str | None] | None,
        list[bytes | None] | None,
    ]:
        """Series, durations (seconds), session ids and users of the accepted events.

        An absent column is None.
        """
        batches = self._batches
        series = list(chain.from_iterable([batch.series for batch in batches]))
        durations = joined(batches, [batch.durations for batch in batches])
        sessions = joined(batches, [batch.sessions for batch in batches])
        users = joined(batches, [batch.users for batch in batches])
        return (
            self._accepted(series) or [],
            self._accepted(durations),
            self._accepted(sessions),
            self._accepted(users),
        )

    def receipts(self) -> list[Receipt]:
        verdicts = b"" if self._verdicts is None else self._verdicts.tobytes()
        return receipts(self._batches, verdicts)

    def _keyed(self) -> npt.NDArray[np.bool_]:
        """Whether each event has a key: in a batch the first events do."""
        counts = [(len(batch.keys) // KEY_BYTES, len(batch)) for batch in self._batches]
        return np.concatenate([np.arange(events) < keyed for keyed, events in counts])

    def _accepted(self, column: list[T] | None) -> list[T] | None:
        if column is None or self._verdicts is None:
            return column
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
