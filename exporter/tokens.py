"""Bearer tokens: several a file, changed without a restart, and a brake on guessing."""

import hashlib
import hmac
import ipaddress
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.problem import CHALLENGE
from exporter.secret_file import is_word, secrets
from exporter.watched import Watched

__all__ = ["CHALLENGE", "MIN_LENGTH", "Gate", "Throttle", "Tokens", "host"]

MIN_LENGTH: Final = 16
"""Characters: 16 of base64 are 96 bits, out of reach of guesses over a network."""

Clock = Callable[[], float]


class Tokens:
    """The tokens of one file: one a line, blank lines and lines that begin with # left out.

    The file is read again when it changes, as `Watched` does. Raises `ConfigError` when the first version
    is wrong: file and line are named, a token never is.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        # Keyed, so that a core dump does not hold plain digests of tokens to guess against.
        self._key = os.urandom(32)
        self._digests = Watched(path, self._load, "token file", clock)

    def accepts(self, token: bytes) -> bool:
        """Whether `token` is one of them; takes equally long whichever it is and however wrong."""
        given = self._digest(token)
        found = False
        for digest in self._digests.now():
            found |= hmac.compare_digest(given, digest)
        return found

    def _load(self, path: Path) -> tuple[bytes, ...]:
        tokens, mistakes = secrets(path, "token file"), []
        for number, token in tokens:
            if len(token) < MIN_LENGTH:
                mistakes.append(
                    f"{path}:{number}: a token of {len(token)} characters; at least {MIN_LENGTH} are needed"
                )
            elif not is_word(token):
                mistakes.append(
                    f"{path}:{number}: a token is one word of printable ASCII characters"
                )
        if not tokens:
            mistakes.append(f"{path}: there is no token in it")
        if mistakes:
            raise ConfigError(*mistakes)
        return tuple(self._digest(token.encode()) for _, token in tokens)

    def _digest(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, key=self._key, digest_size=32).digest()


class Throttle:
    """How many wrong tokens one address may try: `burst` at once, then `rate` a second.

    At most `max_clients` addresses are remembered, the longest silent is forgotten first. An IPv6
    address stands for its /64, which is what one host is given. `clock` is as for `Tokens`.
    """

    def __init__(
        self, clock: Clock, burst: int = 10, rate: float = 1.0, max_clients: int = 10_000
    ) -> None:
        self._clock = clock
        self._burst = burst
        self._rate = rate
        self._max_clients = max_clients
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """Addresses remembered now."""
        return len(self._left)

    def failed(self, client: str) -> int | None:
        """Note a wrong token from `client`; the seconds it has to wait, or None within its share."""
        key = host(client)
        now = self._clock()
        left, since = self._left.pop(key, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._rate)
        wait = None if left >= 1 else math.ceil((1 - left) / self._rate)
        self._left[key] = (left - 1 if wait is None else left, now)
        if len(self._left) > self._max_clients:
            self._left.popitem(last=False)
        return wait


class Gate:
    """Lets requests with a valid token through; without `tokens` it lets everything through."""

    def __init__(self, tokens: Tokens | None, throttle: Throttle) -> None:
        self._tokens = tokens
        self._throttle = throttle

    def check(self, authorization: bytes | None, client: str) -> None:
        """Pass, or raise `Unauthorized`, or `TooManyRequests` when `client` has guessed too often.

        `authorization` is the header's value as sent, `client` the peer's address without port. A
        valid token passes however much its address has guessed: senders share NAT addresses.
        """
        if self._tokens is None:
            return
        scheme, _, token = (authorization or b"").partition(b" ")
        if scheme.lower() == b"bearer" and self._tokens.accepts(token.strip()):
            return
        wait = self._throttle.failed(client)
        if wait is not None:
            raise TooManyRequests("too many wrong tokens from this address", retry_after=wait)
        raise Unauthorized(
            "the token is not valid" if authorization else "send Authorization: Bearer <token>"
        )


def host(client: str) -> str:
    """What stands for the host with this address: of an IPv6 one its /64, which is what one is given."""
    if ":" not in client:
        return client
    try:
        address = ipaddress.IPv6Address(client.partition("%")[0])
    except ValueError:
        return client
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else address.packed[:8].hex()
