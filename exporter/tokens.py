"""Bearer tokens: several per file, changed without a restart, with a limit on guesses."""

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.secret_file import is_word, secrets
from exporter.token_bucket import Limit, TokenBuckets, bucket_name
from exporter.watched import Watched

_MIN_LENGTH: Final = 16
"""Characters; 16 of base64 are 96 bits, out of reach of guesses over a network."""
_FAILURES: Final = Limit(rate=1.0, burst=10)
"""Wrong tokens that an address may send before it is answered 429."""


def read_tokens(path: Path) -> list[str]:
    """The tokens of a file. Raises `ConfigError` with the line of each mistake, and never with a token."""
    tokens, mistakes = secrets(path), []
    for number, token in tokens:
        if len(token) < _MIN_LENGTH:
            mistakes.append(
                f"{path}:{number}: the token has {len(token)} characters: use at least {_MIN_LENGTH}"
            )
        elif not is_word(token):
            mistakes.append(
                f"{path}:{number}: a token must be printable ASCII characters without spaces"
            )
    if not tokens:
        mistakes.append(f"{path}: the file has no token: write one token per line")
    if mistakes:
        raise ConfigError(*mistakes)
    return [token for _, token in tokens]


class Authenticator:
    """Accepts requests with a token of `file`; without a file, all. Raises `read_tokens`' `ConfigError`."""

    def __init__(self, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        # Keyed, so that a core dump has no plain digests to test guesses against.
        self._key = os.urandom(32)
        self._digests = Watched((file,), self._load, "token file", clock) if file else None
        self._failures = TokenBuckets(clock)

    def check(self, authorization: bytes | None, client: str) -> None:
        """Raise `Unauthorized` without a valid token, or `TooManyRequests` after too many wrong ones.

        `authorization` is the header's value, `client` the peer's address without port. A valid token is
        accepted even if its address sent many wrong tokens: senders share NAT addresses.
        """
        if self._digests is None:
            return
        scheme, _, token = (authorization or b"").partition(b" ")
        if scheme.lower() == b"bearer" and self.accepts(token.strip()):
            return
        wait = self._failures.take(bucket_name(client), _FAILURES)
        if wait is not None:
            raise TooManyRequests("too many wrong tokens from this address", retry_after=wait)
        raise Unauthorized(
            "the token is not valid" if authorization else "send Authorization: Bearer <token>"
        )

    def accepts(self, token: bytes) -> bool:
        """Whether `token` is valid; takes the same time for any token."""
        given, digests = self._digest(token), self._digests.current() if self._digests else []
        # Not `any`, which ends at the first match.
        return sum(hmac.compare_digest(given, digest) for digest in digests) > 0

    def _load(self, path: Path) -> list[bytes]:
        return [self._digest(token.encode()) for token in read_tokens(path)]

    def _digest(self, token: bytes) -> bytes:
        return hashlib.blake2b(token, key=self._key, digest_size=32).digest()
