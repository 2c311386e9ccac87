"""Hashes of an event: its deduplication key, its user, and a fingerprint that tells a retry from a conflict.

Key and fingerprint depend only on what the sender wrote: an event that is sent again after the settings or a
taxonomy changed is still the same event.

XXH3 is no cryptographic hash. 128 bits prevent collisions by chance, but for 16-byte ids XXH3 can be
inverted, so an id with the key of another source's id can be computed. A sender with a token could
send the other id itself; a browser with a public key could not, so `exporter.beacons.decode` hashes ids
first. BLAKE2 for all ids would take 9 times as long (712 ns instead of 82 ns).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from itertools import repeat
from operator import xor

import msgspec
from xxhash import xxh3_64_digest, xxh3_64_intdigest, xxh3_128_digest

from exporter.ingest.event import Columns
from exporter.ingest.resolver import ResolvedCode
from exporter.ledger.contract import USER_BYTES, Family, Series

_encode = msgspec.msgpack.Encoder().encode


def keys(
    events: Columns, resolved: Sequence[ResolvedCode], sources: Sequence[str] | None
) -> list[bytes | None]:
    """A key for each event; None when it has neither an id nor session_id and occurred_at."""
    # MessagePack's first byte (0x93) is never that of an id in UTF-8: the two kinds of keys never collide.
    if sources is None and len(set(events.system)) == 1:
        seeds: Iterable[int] = [seed(events.system[0])] * len(events.system)
    else:
        seeds = map(seed, events.system, sources or repeat(""))
    if all(events.id):
        ids: Sequence[str] = events.id  # type: ignore[assignment]
        return list(map(xxh3_128_digest, map(str.encode, ids), seeds))
    return [
        xxh3_128_digest(id_.encode(), hash_seed)
        if id_ is not None
        else xxh3_128_digest(_encode((session, code.normalized, at)), hash_seed)
        if session and at is not None
        else None
        for id_, session, at, code, hash_seed in zip(
            events.id, events.session_id, events.occurred_at, resolved, seeds, strict=True
        )
    ]


def key_of_id(system: str, id_: str) -> bytes:
    """`keys` for one event that has an id and no CloudEvents source."""
    return xxh3_128_digest(id_.encode(), seed(system))


def seed(system: str, source: str = "") -> int:
    """The hash seed of a system and a CloudEvents source, which is "" for other events."""
    return xxh3_64_intdigest(f"{system}\0{source}".encode())


def fingerprints(
    events: Columns, resolved: Sequence[ResolvedCode], labels: Sequence[int] | None
) -> list[bytes]:
    """8 bytes an event, different when a field is; `labels` are the fingerprints of the events' labels."""
    seeds: Iterable[int] = [code.seed for code in resolved]
    if labels is not None:
        seeds = map(xor, seeds, labels)
    rest = zip(events.session_id, events.occurred_at, events.duration_seconds, strict=True)
    return list(map(xxh3_64_digest, map(_encode, rest), seeds))


def fingerprint(
    session: str | None, at: datetime | None, duration: float | None, seed: int, labels: int
) -> bytes:
    """`fingerprints` for one event, with the `seed` of its code and the fingerprint of its labels."""
    return xxh3_64_digest(_encode((session, at, duration)), seed ^ labels)


def user_hashes(
    events: Columns, series: Sequence[Series], key: bytes
) -> Sequence[bytes | None] | None:
    """A hash of (system, code, user) for each event with a user; None when no event has one."""
    # `key` is random and ends with the process: no file and no other process can tell whether a hash is that
    # of a known user. Only ends that are on time get one: alerts must see the first end after a late end.
    if events.user.count(None) == len(events.user):
        return None
    return [
        blake2b(
            f"{each.system}\0{each.code}\0{user}".encode(), key=key, digest_size=USER_BYTES
        ).digest()
        if user is not None and each.family is Family.ENDS
        else None
        for user, each in zip(events.user, series, strict=True)
    ]
