"""Hashes of users: a user's id is never kept after its request.

The key of the hash is random and ends with the process: no file and no other process can tell whether a hash
is that of a known user.
"""

import secrets
from collections.abc import Sequence
from hashlib import blake2b

from exporter.ingest.event import Columns
from exporter.ledger.contract import USER_BYTES, Family, Series


class UserHashes:
    """Hashes of (system, code, user) with a key of this object."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, events: Columns, series: Sequence[Series]) -> Sequence[bytes | None] | None:
        """A hash for each event with a user; None when no event has one.

        Only ends that are on time get a hash: alerts do not see a late end, and must see the end after it.
        """
        if events.user.count(None) == len(events.user):
            return None
        return [
            self._hash(f"{each.system}\0{each.code}\0{user}")
            if user is not None and each.family is Family.ENDS
            else None
            for user, each in zip(events.user, series, strict=True)
        ]

    def _hash(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self._key, digest_size=USER_BYTES).digest()
