"""Bearer tokens: several a file, changed without a restart, and a brake on guessing."""

import hashlib
import hmac
import ipaddress
import math
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError, TooManyRequests, Unauthorized
from exporter.logs import Log
from exporter.problem import CHALLENGE

__all__ = ["CHALLENGE", "MIN_LENGTH", "Gate", "Throttle", "Tokens", "host"]

MIN_LENGTH: Final = 16
"""Characters: 16 of base64 are 96 bits, out of reach of guesses over a network."""
_RECHECK: Final = 1.0
"""Seconds between two looks at the file: a stat for each request showed in the profile."""

Clock = Callable[[], float]
_log = Log("exporter.tokens")


class Tokens:
    """The tokens of one file: one a line, blank lines and lines that begin with # left out.

    The file is read again when it changes; a version that is missing, unreadable or wrong is logged
    once and the tokens before it stay valid, so that a slip of the editor locks nobody out. `clock`
    counts seconds and never goes back. Raises `ConfigError` when the first version is wrong: file
    and line are named, a token never is.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        # Keyed, so that a core dump does not hold plain digests of tokens to guess against.
        self._key = os.urandom(32)
        self._mark: object = self._stat()
        self._digests = self._load()
        self._next = clock() + _RECHECK

    def accepts(self, token: bytes) -> bool:
        """Whether `token` is one of them; takes equally long whichever it is and however wrong."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _RECHECK
            self._refresh()
        given = self._digest(token)
        found = False
        for digest in self._digests:
            found |= hmac.compare_digest(given, digest)
        return found

    def _refresh(self) -> None:
        mark = self._stat()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._digests = self._load()
        except ConfigError as error:
            _log.error("token file is wrong, the tokens before it stay", mistakes=str(error))
        else:
            _log.info("token file read again", path=str(self._path), tokens=len(self._digests))

    def _stat(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        # The inode too: Kubernetes swaps a symlink, and two versions may share size and time.
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode

    def _load(self) -> tuple[bytes, ...]:
        try:
            text = self._path.read_bytes().decode("utf-8-sig")
            mode = self._path.stat().st_mode
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self._path}: not UTF-8 text") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            _log.warning(
                "token file is open to other users, chmod 600 it",
                path=str(self._path),
                mode=f"{stat.S_IMODE(mode):04o}",
            )
        tokens, mistakes = [], []
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            place = f"{self._path}:{number}"
            if len(line) < MIN_LENGTH:
                mistakes.append(
                    f"{place}: a token of {len(line)} characters; at least {MIN_LENGTH} are needed"
                )
            elif not line.isascii() or not line.isprintable() or " " in line:
                mistakes.append(f"{place}: a token is one word of printable ASCII characters")
            tokens.append(line.encode())
        if not tokens:
            mistakes.append(f"{self._path}: there is no token in it")
        if mistakes:
            raise ConfigError(*mistakes)
        return tuple(self._digest(token) for token in tokens)

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
