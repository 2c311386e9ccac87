"""Records of JSON and NDJSON, each an object or the rule that it breaks, in bounded memory."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, TextIO

from exporter.errors import Rejected

MAX_CHARACTERS: Final = 1 << 20  # of an event; the exporter's default `max_body` in bytes
MAX_EXPORT: Final = 64 << 20
"""Characters of an object around events. Azure's query API returns at most 64 MB."""
ARRAYS: Final = ("events", "records", "items", "results", "value", "data", "rows", "tables")
"""Keys that may hold the events of an object around events."""
_EXPORT: Final = re.compile(
    r'\s*\{\s*(?:"[^"]*"\s*:\s*(?:"[^"]*"|[\w.+-]+|\{[^{}]*\})\s*,\s*)*?'
    rf'"(?:{"|".join(ARRAYS)})"\s*:\s*\[',
    re.IGNORECASE,
)
_SMALL: Final = 64 * 1024
"""Characters. A smaller unfinished element is parsed again whenever a line may be its end."""
_SEPARATORS: Final = re.compile(r"([\s,\[\]]*)")
_REST: Final = re.compile(r"(?s:.*?)(?=[,\n][ \t]*(?:\{|\Z)|\Z)([\s,\[\]]*)")
"""The rest of an invalid element, which ends before an object after a comma or on a new line. Without
possessive groups: Debian 12's Python 3.11.2 matches them wrongly."""

Record = dict[str, Any] | Rejected
"""The fields of a record, or the rule that it breaks."""


def pieces(text: TextIO) -> Iterator[str]:
    """Lines, the long ones cut into pieces. A line from a pipe is returned before the next line arrives."""
    return iter(lambda: text.readline(MAX_CHARACTERS), "")


def lines(pieces: Iterator[str]) -> Iterator[str]:
    """Each line; of a line that is too long only the beginning, to bound memory."""
    while piece := next(pieces, ""):
        line = [piece]
        while not piece.endswith("\n") and (piece := next(pieces, "")):
            if len(line) < _longest(line[0]) // MAX_CHARACTERS:
                line.append(piece)
        yield "".join(line)


def ndjson_records(lines: Iterable[str]) -> Iterator[tuple[int, Record]]:
    """Number and fields of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        if line := line.strip():
            try:
                yield number, as_record(DECODER.decode(line))
            except (Rejected, ValueError, RecursionError) as error:
                limit = len(line) if len(line) in (MAX_CHARACTERS, MAX_EXPORT) else 0
                yield number, rejection(error, limit=limit)


def json_records(pieces: Iterator[str]) -> Iterator[tuple[int, Record]]:
    """Line and fields of each element of an array or a sequence."""
    buffer, line, open_arrays, wanted = "", 1, 0, 0
    ended = invalid = False
    while not ended:
        piece = next(pieces, "")
        ended = not piece
        buffer += piece
        closes = piece.rstrip(", \t\r\n").endswith(("}", "]"))
        if not ended and len(buffer) < (wanted if closes else max(wanted, _SMALL)):
            continue
        at = wanted = 0
        while match := (_REST if invalid else _SEPARATORS).match(buffer, at):
            invalid = invalid and not match[1]
            open_arrays += match[1].count("[") - match[1].count("]")
            line += match[0].count("\n")
            at = match.end()
            if at == len(buffer):
                break
            try:
                value, end = DECODER.raw_decode(buffer, at)
            except (Rejected, ValueError, RecursionError) as error:
                # At the end of the buffer, or in a string that goes on: more text may complete it.
                incomplete = isinstance(error, json.JSONDecodeError) and (
                    error.pos > len(buffer) - 10 or error.msg.startswith("Unterminated")
                )
                size = len(buffer) - at
                limit = MAX_CHARACTERS if size <= MAX_CHARACTERS else _longest(buffer, at)
                if incomplete and not ended and size <= limit:
                    # A large element is not parsed again at each of its lines.
                    wanted = min(2 * size, MAX_EXPORT + 1) if size > _SMALL else 0
                    break
                yield line, rejection(error, at, limit=0 if ended or not incomplete else limit)
                invalid = True
            else:
                yield line, as_record(value)
                line += buffer.count("\n", at, end)
                at = end
        buffer = buffer[at:]
    if open_arrays:
        message = "the brackets [ ] of the file are not balanced: was it cut short?"
        yield line, Rejected("invalid_json", message)


def _longest(text: str, start: int = 0) -> int:
    """How many characters a record may have; an object around events has more than an event."""
    return MAX_EXPORT if _EXPORT.match(text, start) else MAX_CHARACTERS


def as_record(value: Any) -> Record:
    """A JSON value, which must be an object."""
    rule = "an event must be a JSON object"
    return value if isinstance(value, dict) else Rejected("not_an_object", rule)


def rejection(error: Exception, start: int = 0, *, limit: int = 0) -> Rejected:
    """The broken rule that an error of `DECODER` means, for text from `start` that was cut at `limit`."""
    if isinstance(error, Rejected):
        return error
    if limit:
        rule = f"longer than {MAX_CHARACTERS:,} characters, or a quote or bracket is not closed"
        if limit > MAX_CHARACTERS:
            rule = "the object around the events has more than 64 MiB: write an event per line"
            rule += ", jq -c '.events[]' FILE"
        return Rejected("invalid_json", rule)
    if isinstance(error, RecursionError):
        return Rejected("too_deep", "nested too deeply")
    if isinstance(error, json.JSONDecodeError):
        at = error.pos - start + 1
        problem = error.msg.removesuffix(" at")
        return Rejected("invalid_json", f"not JSON: {problem} at character {at}")
    # int() refuses more than 4,300 digits, and its message speaks of Python.
    return Rejected("invalid_json", "a number has too many digits")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        (duplicate, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise Rejected("duplicate_key", f"duplicate key {duplicate[:100]!r}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise Rejected("invalid_json", f"not JSON: {constant}")


DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
