"""Bearer tokens: several a file, changed without a restart, with a rate limit on guesses."""

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.secret_file import is_word, secrets
from exporter.token_bucket import Limit, TokenBuckets, client_host
from exporter.watched import Watched

MIN_LENGTH: Final = 16
"""Characters: 16 of base64 are 96 bits, out of reach of guesses over a network."""
FAILURES: Final = Limit(rate=1.0, burst=10)
"""Wrong tokens that an address may send before it is answered 429."""

Clock = Callable[[], float]


class Tokens:
    """The tokens of a file: one a line; blank lines and lines that begin with # are ignored.

    The file is read again when it changes, as `Watched` does. Raises `ConfigError` when the first version
    is wrong: file and line are named, a token never is.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        # Keyed, so that a core dump does not hold plain digests of tokens to guess against.
        self._key = os.urandom(32)
        self._digests = Watched(path, self._load, "token file", clock)

    def accepts(self, token: bytes) -> bool:
        """Compares in constant time with each of the tokens."""
        given = self._digest(token)
        accepted = False
        for digest in self._digests.now():
            accepted |= hmac.compare_digest(given, digest)
        return accepted

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


class Authenticator:
    """Checks bearer tokens; without `tokens` every request passes.

    A client that sends more wrong tokens than `failures` allows is answered 429. `clock` is as for
    `Tokens`.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        clock: Clock = time.monotonic,
        failures: Limit = FAILURES,
    ) -> None:
        self._tokens = tokens
        self._limit = failures
        self._failures = TokenBuckets(clock)

    def check(self, authorization: bytes | None, client: str) -> None:
        """Raises `Unauthorized`, or `TooManyRequests` after too many wrong tokens from `client`.

        `authorization` is the header's value, `client` the peer's address without port. A valid token
        passes after any number of failures: senders share NAT addresses.
        """
        if self._tokens is None:
            return
        scheme, _, token = (authorization or b"").partition(b" ")
        if scheme.lower() == b"bearer" and self._tokens.accepts(token.strip()):
            return
        wait = self._failures.take(client_host(client), self._limit)
        if wait is not None:
            raise TooManyRequests("too many wrong tokens from this address", retry_after=wait)
        raise Unauthorized(
            "the token is not valid" if authorization else "send Authorization: Bearer <token>"
        )
