"""Batches for the ledgers under test: an id is any number, its content any other."""

from collections.abc import Iterable, Sequence

import xxhash

from exporter.ledger.contract import Batch, Family, Series

Event = tuple[int, int]
"""(id, content)."""


def series(code: str = "4001", family: Family = Family.ENDS, **other: str) -> Series:
    labels = tuple(other.values())
    return Series(family, "streampixel", code, "connect", "network", "failure", labels)


FAILURE = series()
OTHER = series("4002")
LATE = series(family=Family.LATE)
INTERRUPTION = series(family=Family.INTERRUPTIONS)


def key(number: int) -> bytes:
    return xxhash.xxh3_128_digest(b"key %d" % number)


def content(number: int) -> bytes:
    return xxhash.xxh3_64_digest(b"fingerprint %d" % number)


def batch(
    events: Iterable[Event | int],
    *,
    unkeyed: int = 0,
    of: Series = FAILURE,
    durations: Sequence[float | None] | None = None,
    sessions: Sequence[str | None] | None = None,
    deferrable: bool = False,
) -> Batch:
    """Events with a key, whose content is 0 unless told, then `unkeyed` ones."""
    pairs = [(event, 0) if isinstance(event, int) else event for event in events]
    return Batch(
        [of] * (len(pairs) + unkeyed),
        b"".join(key(number) for number, _ in pairs),
        b"".join(content(what) for _, what in pairs),
        durations,
        sessions,
        deferrable,
    )
