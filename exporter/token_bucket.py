"""Token buckets by name: rate limits in a table of bounded size.

A bucket is one number, the time at which it is full again (the generic cell rate algorithm, ITU-T I.371,
as "virtual scheduling"). A time in the past is a full bucket, which need not be remembered.
"""

import ipaddress
import math
from collections.abc import Callable
from typing import Final, NamedTuple

_SWEEP_INTERVAL: Final = 1.0
"""Seconds between two passes over a full table: a pass takes a millisecond."""
_ROUNDING: Final = 1e-6
"""Seconds. Sums of `1 / rate` have rounding errors, which would refuse the last token of a burst."""
_SHARED: Final = ""
"""Name of the bucket that new names share while the table is full."""
_LONGEST_ADDRESS: Final = 45
"""Characters of the longest IPv6 address."""


class Limit(NamedTuple):
    """`rate` tokens a second, `burst` at once."""

    rate: float
    burst: int


class TokenBuckets:
    """At most `max_buckets` buckets that are not full; `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], max_buckets: int = 10_000) -> None:
        self._clock = clock
        self._max_buckets = max_buckets
        self._full_at: dict[str, float] = {}
        self._swept_at = -math.inf

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, name: str, limit: Limit, tokens: int = 1, least: float = 1) -> int | None:
        """Take tokens and return None, or take nothing and return the seconds until there is a token.

        The bucket must have `least` tokens, and goes into debt if it has fewer than are taken: with a `least`
        of 0, only one of many concurrent requests makes a debt.
        """
        now = self._clock()
        name = self._bucket(name, now)
        full_at = max(self._full_at.get(name, now), now)
        if full_at - now - (limit.burst - least) / limit.rate > _ROUNDING:
            return math.ceil(full_at - now - (limit.burst - 1) / limit.rate - _ROUNDING)
        self._full_at[name] = full_at + tokens / limit.rate
        return None

    def _bucket(self, name: str, now: float) -> str:
        """The name of the bucket to use."""
        if name in self._full_at or len(self._full_at) < self._max_buckets:
            return name
        if now >= self._swept_at + _SWEEP_INTERVAL:
            self._swept_at = now
            self._full_at = {
                bucket: full_at for bucket, full_at in self._full_at.items() if full_at > now
            }
            if len(self._full_at) < self._max_buckets:
                return name
        # Evicting a bucket instead would reset the limit of a throttled client.
        return _SHARED


def bucket_name(address: str) -> str:
    """The name of a client's bucket: its IPv4 address, or its /64 network, of which a host can use all."""
    # A proxy may pass on any text of a client as its address: the table must stay small.
    address = address[:_LONGEST_ADDRESS]
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()
