"""Structure-aware mutations of valid bodies, in every format.

A random byte makes nearly every JSON text unparseable at once. So bodies are mutated token by token: values
are replaced, keys doubled, objects spliced into one another. Only a few are mutated byte by byte.
"""

import gzip
import re
from dataclasses import dataclass
from random import Random
from typing import Final

from exporter.ingest.guard import Media
from tests.faults.samples import ATTRIBUTES, DEPTHS, HOSTILE, KEYS, bodies

_TOKEN: Final = re.compile(rb'"(?:\\.|[^"\\])*"|[-+.\w]+|[\[\]{}:,]|\s+|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Input:
    """A hostile request: format, body, and headers besides Content-Type."""

    media: Media
    body: bytes
    headers: dict[bytes, bytes]

    def __str__(self) -> str:
        return f"{self.media.name} {self.headers!r} {self.body[:4000]!r}"


def damaged(body: bytes, rng: Random) -> bytes:
    """A body with some other bits or bytes, or cut off."""
    data = bytearray(body)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.choice((b"\x00", b"\xff", b'"', b"\\", b"\n", b"\xf0\x9f"))
        else:
            data[at] = rng.randrange(256)
    return bytes(data)


def packed(body: bytes, rng: Random) -> bytes:
    """gzip of a body, undamaged in half of all cases."""
    data = gzip.compress(body, rng.choice((0, 1, 9)), mtime=0)
    kind = rng.randrange(8)
    if kind <= 1:
        return damaged(data, rng)
    if kind == 2:
        return data * rng.choice((2, 3, 150))
    if kind == 3:
        return data + rng.choice((b"\x00", b"\x1f\x8b", bytes(20)))
    return data


class Mutator:
    """An endless sequence of inputs, the same for the same `seed`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._seeds = {media: [_TOKEN.findall(body) for body in bodies(media)] for media in Media}
        self._media = (*[Media.JSON] * 4, *[Media.NDJSON] * 4, *list(Media)[2:])

    def next(self) -> Input:
        rng = self._random
        media = rng.choice(self._media)
        tokens = list(rng.choice(self._seeds[media]))
        # Some inputs get few changes: a batch with a single mistake is the harder case.
        for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            self._mutate(media, tokens)
        body = b"".join(tokens)
        if rng.random() < 0.05:
            body = damaged(body, rng)
        return Input(media, body, self._headers(media))

    def _mutate(self, media: Media, tokens: list[bytes]) -> None:
        rng = self._random
        kind = rng.randrange(10)
        at = rng.randrange(len(tokens) + 1)
        hostile = rng.choice(rng.choice(HOSTILE))
        if kind <= 2:
            value = self._place(tokens, b":")
            tokens[value : value + 1] = [hostile]
        elif kind == 3:
            tokens.insert(at, hostile)
        elif kind == 4:
            del tokens[at : at + rng.choice((1, 1, 2, 4, 9))]
        elif kind == 5:
            piece = tokens[at : at + rng.choice((1, 2, 4, 9, 40))]
            to = rng.randrange(len(tokens) + 1)
            tokens[to:to] = piece * rng.choice((1, 1, 1, 2, 5))
        elif kind == 6:
            other = rng.choice(self._seeds[media if rng.random() < 0.7 else Media.JSON])
            start = rng.randrange(len(other))
            end = start + rng.choice((3, 12, 99))
            tokens[at : at + rng.choice((0, 1, 5))] = other[start:end]
        elif kind == 7:
            # The object may already have the key.
            first = self._place(tokens, b"{")
            tokens[first:first] = [rng.choice(KEYS), b":", hostile, b","]
        elif kind == 8:
            value = self._place(tokens, b":")
            depth = rng.choice(DEPTHS) if rng.random() < 0.3 else rng.choice((2, 3))
            opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"id":', b"}]")))
            tokens.insert(value, opening * depth)
            if rng.random() < 0.9:
                tokens.insert(value + 2, closing * depth)
        else:
            spaces = (b" ", b"\t", b"\n", b"\r\n", b"\r", b"\n\n", b" " * 3000)
            tokens.insert(at, rng.choice(spaces))

    def _place(self, tokens: list[bytes], before: bytes) -> int:
        """The place after one of the tokens `before`."""
        places = [index + 1 for index, token in enumerate(tokens[:-1]) if token == before]
        return self._random.choice(places) if places else 0

    def _headers(self, media: Media) -> dict[bytes, bytes]:
        rng = self._random
        headers = {}
        if media is Media.CLOUDEVENT_BINARY:
            headers = {b"ce-id": b"e1", b"ce-source": b"/kiosk"}
            headers |= {b"ce-type": b"end", b"ce-specversion": b"1.0"}
            if rng.random() < 0.3:
                headers[rng.choice((*headers, b"ce-time"))] = rng.choice(ATTRIBUTES)
        if rng.random() < 0.05:
            headers[b"idempotency-key"] = rng.choice(ATTRIBUTES)
        return headers
