"""Bodies that were sound once: structure-aware mutations of events in every format.

A random byte makes nearly every JSON text unparseable at once, so bodies are mutated token by token: values
replaced with what breaks parsers, keys doubled, objects spliced into one another. Few are hurt byte by byte.
"""

import gzip
import re
from dataclasses import dataclass
from random import Random
from typing import Final

from exporter.ingest.media import Media
from tests.faults.sound import bodies
from tests.faults.tokens import ATTRIBUTES, DEPTHS, KEYS, NASTY

_TOKEN: Final = re.compile(rb'"(?:\\.|[^"\\])*"|[-+.\w]+|[\[\]{}:,]|\s+|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Input:
    """A request as hostile as it gets: format, body and the headers beside Content-Type."""

    media: Media
    body: bytes
    headers: dict[bytes, bytes]

    def __str__(self) -> str:
        return f"{self.media.name} {self.headers!r} {self.body[:4000]!r}"


def packed(body: bytes, chance: Random) -> bytes:
    """gzip of a body, mostly whole."""
    data = gzip.compress(body, chance.choice((0, 1, 9)), mtime=0)
    kind = chance.randrange(8)
    if kind == 0:
        return data[: chance.randrange(len(data))]
    if kind == 1:
        at = chance.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
    if kind == 2:
        return data * chance.choice((2, 3, 150))
    if kind == 3:
        return data + chance.choice((b"\x00", b"\x1f\x8b", bytes(20)))
    return data


class Mutator:
    """Inputs without end, the same for the same `seed`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._seeds = {media: [_TOKEN.findall(body) for body in bodies(media)] for media in Media}
        self._media = (*[Media.JSON] * 4, *[Media.NDJSON] * 4, *list(Media)[2:])

    def next(self) -> Input:
        chance = self._random
        media = chance.choice(self._media)
        tokens = list(chance.choice(self._seeds[media]))
        # Some stay sound: a batch that is wrong in one place only is the harder case.
        for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            self._mutate(media, tokens)
        body = b"".join(tokens)
        if chance.random() < 0.05:
            body = self._hurt(body)
        return Input(media, body, self._headers(media))

    def _mutate(self, media: Media, tokens: list[bytes]) -> None:
        chance = self._random
        kind = chance.randrange(10)
        at = chance.randrange(len(tokens) + 1)
        if kind <= 2:
            self._replace(tokens)
        elif kind == 3:
            tokens.insert(at, chance.choice(chance.choice(NASTY)))
        elif kind == 4:
            del tokens[at : at + chance.choice((1, 1, 2, 4, 9))]
        elif kind == 5:
            piece = tokens[at : at + chance.choice((1, 2, 4, 9, 40))]
            to = chance.randrange(len(tokens) + 1)
            tokens[to:to] = piece * chance.choice((1, 1, 1, 2, 5))
        elif kind == 6:
            other = chance.choice(self._seeds[media if chance.random() < 0.7 else Media.JSON])
            start = chance.randrange(len(other))
            tokens[at : at + chance.choice((0, 1, 5))] = other[
                start : start + chance.choice((3, 12, 99))
            ]
        elif kind == 7:
            self._pair(tokens)
        elif kind == 8:
            self._nest(tokens)
        else:
            tokens.insert(
                at, chance.choice((b" ", b"\t", b"\n", b"\r\n", b"\r", b"\n\n", b" " * 3000))
            )

    def _replace(self, tokens: list[bytes]) -> None:
        """A value by another: what follows a colon, mostly."""
        chance = self._random
        values = [index + 1 for index, token in enumerate(tokens[:-1]) if token == b":"]
        at = chance.choice(values) if values else 0
        tokens[at : at + 1] = [chance.choice(chance.choice(NASTY))]

    def _pair(self, tokens: list[bytes]) -> None:
        """A key and value more, perhaps one that is there."""
        chance = self._random
        opened = [index for index, token in enumerate(tokens) if token == b"{"]
        if opened:
            at = chance.choice(opened) + 1
            tokens[at:at] = [
                *(chance.choice(KEYS), b":", chance.choice(chance.choice(NASTY)), b","),
            ]

    def _nest(self, tokens: list[bytes]) -> None:
        chance = self._random
        values = [index + 1 for index, token in enumerate(tokens[:-1]) if token == b":"]
        at = chance.choice(values) if values else 0
        depth = chance.choice(DEPTHS) if chance.random() < 0.3 else chance.choice((2, 3))
        first, last = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"id":', b"}]")))
        tokens.insert(at, first * depth)
        if chance.random() < 0.9:
            tokens.insert(at + 2, last * depth)

    def _hurt(self, body: bytes) -> bytes:
        chance = self._random
        data = bytearray(body)
        for _ in range(chance.choice((1, 1, 2, 8))):
            if not data:
                break
            at = chance.randrange(len(data))
            kind = chance.randrange(4)
            if kind == 0:
                data[at] ^= 1 << chance.randrange(8)
            elif kind == 1:
                del data[at:]
            elif kind == 2:
                data[at:at] = chance.choice((b"\x00", b"\xff", b'"', b"\\", b"\n", b"\xf0\x9f"))
            else:
                data[at] = chance.randrange(256)
        return bytes(data)

    def _headers(self, media: Media) -> dict[bytes, bytes]:
        chance = self._random
        headers: dict[bytes, bytes] = {}
        if media is Media.CLOUDEVENT_BINARY:
            headers = {
                b"ce-id": b"e1",
                b"ce-source": b"/kiosk",
                b"ce-type": b"end",
                b"ce-specversion": b"1.0",
            }
            if chance.random() < 0.3:
                headers[chance.choice((*headers, b"ce-time"))] = chance.choice(ATTRIBUTES)
        if chance.random() < 0.05:
            headers[b"idempotency-key"] = chance.choice(ATTRIBUTES)
        return headers
