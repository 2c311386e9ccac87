"""JSON of any size in bounded memory: an event, an array of them, or several of these in a row.

The file is cut into elements by its brackets alone, so that one bad element does not end the rest,
and each element is parsed by itself.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from exporter.errors import Rejected
from exporter.send.lines import LONGEST, TOO_LONG, Found, parsed

_CHUNK: Final = 64 * 1024
_OUTSIDE: Final = re.compile(rb'["{}\[\],]')
_NESTED: Final = re.compile(rb'(?:[^"{}\[\]]+|"[^"\\]*(?:\\.[^"\\]*)*")*', re.DOTALL)
"""Inside an event all the way to the next bracket, or to a string that the chunk does not end: one
match a bracket instead of two a string took 20 µs an event where it had been 48."""
_INSIDE: Final = re.compile(rb'["\\]')
_OPEN, _CLOSE = b"[", b"]"
_Cut = tuple[int, bytes | Rejected]


def documents(stream: BinaryIO) -> Iterator[Found]:
    """Every event of the stream, or what is wrong with it, with the line it begins on."""
    cutter = _Cutter()
    while chunk := stream.read(_CHUNK):
        for line, found in cutter.feed(chunk):
            yield line, found if isinstance(found, Rejected) else parsed(found)
    for line, found in cutter.finish():
        yield line, found if isinstance(found, Rejected) else parsed(found)


class _Cutter:
    """Cuts chunks into elements. Bytes suffice: no byte of a UTF-8 sequence looks like ASCII."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._line = 1
        self._start = 1
        self._depth = 0
        self._array = self._string = self._escaped = self._too_long = False

    def feed(self, chunk: bytes) -> Iterator[_Cut]:
        kept = at = 0
        while True:
            if self._string:
                at = self._end_of_string(chunk, at)
                if self._string:
                    break
            if self._depth and (skipped := _NESTED.match(chunk, at)):
                at = skipped.end()
            token = _OUTSIDE.search(chunk, at)
            if token is None:
                break
            here, at = token.span()
            byte = token[0]
            if byte == b'"':
                self._string = True
            elif byte in b"{[":
                if self._depth == 0:
                    self._keep(chunk[kept:here])
                    kept = here
                    yield from self._flush()
                    if byte == _OPEN and not self._array:
                        self._array, kept = True, at
                        continue
                self._depth += 1
            elif byte in b"}]" and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    self._keep(chunk[kept:at])
                    kept = at
                    yield from self._flush()
            elif self._depth == 0 and (byte == b"," or (byte == _CLOSE and self._array)):
                self._keep(chunk[kept:here])
                kept = at
                yield from self._flush()
                self._array = self._array and byte == b","
        self._keep(chunk[kept:])

    def finish(self) -> Iterator[_Cut]:
        """What the end of the file leaves over."""
        if self._too_long or not (self._depth or self._string):
            yield from self._flush()
        else:
            yield self._start, Rejected("invalid_json", "the file ends inside this event")
        if self._array:
            yield (
                self._line,
                Rejected("invalid_json", "the file ends inside the array: cut short?"),
            )

    def _end_of_string(self, chunk: bytes, at: int) -> int:
        """The place after the string's end, or the chunk's end with `_string` still set."""
        while at < len(chunk):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            token = _INSIDE.search(chunk, at)
            if token is None:
                break
            at = token.end()
            if token[0] == b'"':
                self._string = False
                return at
            self._escaped = True
        return len(chunk)

    def _keep(self, piece: bytes) -> None:
        if not self._text and not self._too_long:
            rest = piece.lstrip()
            self._line += piece.count(b"\n", 0, len(piece) - len(rest))
            self._start = self._line
            piece = rest
        self._line += piece.count(b"\n")
        if self._too_long or len(self._text) + len(piece) > LONGEST:
            self._too_long = True
            self._text.clear()
        else:
            self._text += piece

    def _flush(self) -> Iterator[_Cut]:
        text, too_long = bytes(self._text).rstrip(), self._too_long
        self._text.clear()
        self._too_long = False
        if too_long:
            yield self._start, Rejected("invalid_json", TOO_LONG)
        elif text:
            yield self._start, text
