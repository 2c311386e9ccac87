"""A group commit: the batches of one transaction as one set of columns, and their verdicts."""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, TypeVar

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
)
from exporter.ledger.queued import joined, receipts
from exporter.ledger.window import Window, has_repeats, words

Verdicts = npt.NDArray[np.uint8]

_KEY: Final = Struct("<QQ")
_FINGERPRINT: Final = Struct("<Q")
_FEW: Final = 16
"""Keys up to which a loop is faster than numpy: a call of numpy takes longer than one key of the loop."""

T = TypeVar("T")


class Group:
    """Batches in the order of the `commit` calls; `accepted` has their accepted events."""

    def __init__(self, batches: Sequence[Batch], window: Window) -> None:
        self._batches, self._window = batches, window
        events = self.accepted = joined(batches)
        few = len(events.keys) <= _FEW * KEY_BYTES
        verdicts = (_judge_few if few else _judge_many)(events.keys, events.fingerprints, window)
        # A byte for each event; empty when all are accepted.
        self._verdicts = b""
        if verdicts is not None:
            new = verdicts == ACCEPTED
            each = np.zeros(len(events), np.uint8)
            # In a batch, the events with a key come first.
            counts = [(len(batch.keys) // KEY_BYTES, len(batch)) for batch in batches]
            keyed = [np.arange(size) < keys for keys, size in counts]
            each[np.concatenate(keyed)] = verdicts
            self._verdicts = each.tobytes()
            self.accepted = Batch(
                self._accepted(events.series) or [],
                words(events.keys, KEY_BYTES)[new].tobytes(),
                words(events.fingerprints, FINGERPRINT_BYTES)[new].tobytes(),
                self._accepted(events.durations),
                self._accepted(events.sessions),
                self._accepted(events.users),
            )

    def __len__(self) -> int:
        """The number of accepted events that have a key."""
        return len(self.accepted.keys) // KEY_BYTES

    def remember(self) -> None:
        """Add the keys of the accepted events to the window."""
        keys, fingerprints = self.accepted.keys, self.accepted.fingerprints
        if len(self) <= _FEW:
            for (first, second), (fingerprint,) in _pairs(keys, fingerprints):
                self._window.add_key(first, second, fingerprint)
        else:
            self._window.add(words(keys, KEY_BYTES), words(fingerprints, FINGERPRINT_BYTES))

    def receipts(self) -> list[Receipt]:
        return receipts(self._batches, self._verdicts)

    def _accepted(self, column: Sequence[T] | None) -> list[T] | None:
        if column is None:
            return None
        return [value for value, verdict in zip(column, self._verdicts, strict=True) if not verdict]


def _judge_many(all_keys: bytes, all_fingerprints: bytes, window: Window) -> Verdicts | None:
    """The verdict on each key, or None when all keys are new, which is the usual case."""
    keys, fingerprints = words(all_keys, KEY_BYTES), words(all_fingerprints, FINGERPRINT_BYTES)
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


def _judge_few(keys: bytes, fingerprints: bytes, window: Window) -> Verdicts | None:
    """`_judge_many`, key by key."""
    firsts: dict[tuple[int, ...], int] = {}
    verdicts = bytearray()
    for key, (fingerprint,) in _pairs(keys, fingerprints):
        first = window.fingerprint_of(*key)
        if first is None and key not in firsts:
            firsts[key] = fingerprint
            verdicts.append(ACCEPTED)
        else:
            same = fingerprint == (firsts[key] if first is None else first)
            verdicts.append(DUPLICATE if same else CONFLICT)
    return np.frombuffer(verdicts, np.uint8) if any(verdicts) else None


def _pairs(keys: bytes, fingerprints: bytes) -> "zip[tuple[tuple[Any, ...], tuple[Any, ...]]]":
    """The two halves of each key, and its fingerprint."""
    return zip(_KEY.iter_unpack(keys), _FINGERPRINT.iter_unpack(fingerprints), strict=True)
