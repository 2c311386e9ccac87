"""Batches for ledgers under test. An event is (id, content), or only its id; its content is then 0."""

from collections.abc import Iterable, Sequence

import xxhash

from exporter.ledger.contract import Batch, Family, Series

Event = tuple[int, int]


def series(code: str = "4001", family: Family = Family.ENDS, **labels: str) -> Series:
    values = tuple(labels.values())
    return Series(family, "streampixel", code, "connect", "network", "failure", values)


FAILURE = series()
OTHER = series("4002")
LATE = series(family=Family.LATE)
INTERRUPTION = series(family=Family.INTERRUPTIONS)


def key(number: int) -> bytes:
    return xxhash.xxh3_128_digest(b"key %d" % number)


def fingerprint(content: int) -> bytes:
    return xxhash.xxh3_64_digest(b"fingerprint %d" % content)


def batch(
    events: Iterable[Event | int],
    *,
    unkeyed: int = 0,
    of: Series = FAILURE,
    durations: Sequence[float | None] | None = None,
    sessions: Sequence[str | None] | None = None,
    users: Sequence[bytes | None] | None = None,
    deferrable: bool = False,
) -> Batch:
    """A batch of events with a key, then `unkeyed` events."""
    pairs = [(event, 0) if isinstance(event, int) else event for event in events]
    return Batch(
        [of] * (len(pairs) + unkeyed),
        b"".join(key(number) for number, _ in pairs),
        b"".join(fingerprint(content) for _, content in pairs),
        durations,
        sessions,
        users,
        deferrable,
    )
