"""Token buckets by name, in a bounded memory that nobody can fill to get a fresh one.

A bucket is one number: the time at which it will be full again, which is in the past for one that nobody
needs to remember (the generic cell rate algorithm, ITU-T I.371, as "virtual scheduling").
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

_SWEEP: Final = 1.0
"""Seconds between two passes over a table that is full: one takes a millisecond."""
_ROUNDING: Final = 1e-6
"""Seconds: sums of `1 / rate` are a little off, and the last token of a burst was refused."""
_STRANGERS: Final = ""


class Limit(NamedTuple):
    """`rate` events a second, `burst` at once."""

    rate: float
    burst: int


class Buckets:
    """At most `most` buckets that are not full; `clock` counts seconds and never goes back.

    Full ones are forgotten first, which changes nothing. With none to forget, whoever is new shares one
    bucket: forgetting an empty one instead would give back its burst to whom it holds off, and a
    flood from many addresses leaves those that were there before it their own.
    """

    def __init__(self, clock: Callable[[], float], most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._full_at: dict[str, float] = {}
        self._swept = -math.inf

    def __len__(self) -> int:
        """Buckets remembered now."""
        return len(self._full_at)

    def take(self, name: str, limit: Limit) -> int | None:
        """None when there is a token, which is taken; else the whole seconds until there is one.

        Who comes too early is not held off longer for it.
        """
        return self._draw(name, limit, 1, 1)

    def charge(self, name: str, limit: Limit, cost: int) -> int | None:
        """Take `cost` tokens more for a request that took one: None, or the seconds to wait as of `take`.

        They may be more than there are. While such a debt is unpaid nobody else makes another: of many
        requests that took their token before any was charged, one overdraws.
        """
        return self._draw(name, limit, cost, 0)

    def owe(self, name: str, limit: Limit, cost: int) -> None:
        """Take `cost` tokens more for a request that was charged a moment ago, though none may be left."""
        self._draw(name, limit, cost, -math.inf)

    def _draw(self, name: str, limit: Limit, cost: int, least: float) -> int | None:
        """Take `cost` tokens if there are at least `least`; else the whole seconds until there is one."""
        now = self._clock()
        name = self._known(name, now)
        full_at = max(self._full_at.get(name, now), now)
        if full_at - now - (limit.burst - least) / limit.rate > _ROUNDING:
            return math.ceil(full_at - now - (limit.burst - 1) / limit.rate - _ROUNDING)
        self._full_at[name] = full_at + cost / limit.rate
        return None

    def _known(self, name: str, now: float) -> str:
        """The name whose bucket is used, with room made for it."""
        if name in self._full_at or len(self._full_at) < self._most:
            return name
        if now >= self._swept + _SWEEP:
            self._swept = now
            self._full_at = {one: at for one, at in self._full_at.items() if at > now}
            if len(self._full_at) < self._most:
                return name
        return _STRANGERS
