"""Records of JSON and NDJSON, each an object or the rule that it breaks, in bounded memory."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn, TextIO

from exporter import event_fields
from exporter.errors import Rejected

FIELDS: Final = frozenset(event_fields.FIELDS)
MAX_CHARACTERS: Final = 1 << 20  # of an event; the exporter's default `max_body` in bytes
_SEPARATORS: Final = re.compile(r"([\s,\[\]]*)")
_REST: Final = re.compile(r"(?:[^,\n]++|(?![,\n][ \t]*+(?:\{|\Z))[,\n])*+([\s,\[\]]*)")
"""The rest of an invalid element, which ends before an object after a comma or on a new line."""

Record = dict[str, Any] | Rejected
"""The fields of a record, or the rule that it breaks."""


def lines(text: TextIO) -> Iterator[str]:
    """Each line; of a line longer than `MAX_CHARACTERS` only the beginning, to bound memory."""
    while line := text.readline(MAX_CHARACTERS):
        yield line
        while not line.endswith("\n") and (line := text.readline(MAX_CHARACTERS)):
            pass


def ndjson_records(lines: Iterable[str]) -> Iterator[tuple[int, Record]]:
    """Number and fields of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        if line := line.strip():
            try:
                yield number, as_record(DECODER.decode(line))
            except (Rejected, ValueError, RecursionError) as error:
                yield number, rejection(error, too_long=len(line) == MAX_CHARACTERS)


def json_records(text: TextIO) -> Iterator[tuple[int, Record]]:
    """Line and fields of each element of an array or a sequence."""
    buffer, line, open_arrays = "", 1, 0
    ended = invalid = False
    while not ended:
        chunk = text.read(64 * 1024)
        ended = not chunk
        buffer, at = buffer + chunk, 0
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
                if incomplete and not ended and len(buffer) - at <= MAX_CHARACTERS:
                    break
                yield line, rejection(error, at, too_long=incomplete and not ended)
                invalid = True
            else:
                yield line, as_record(value)
                line += buffer.count("\n", at, end)
                at = end
        buffer = buffer[at:]
    if open_arrays:
        message = "the brackets [ ] of the file are not balanced: was it cut short?"
        yield line, Rejected("invalid_json", message)


def as_record(value: Any) -> Record:
    """A JSON value, which must be an object."""
    rule = "an event must be a JSON object"
    return value if isinstance(value, dict) else Rejected("not_an_object", rule)


def rejection(error: Exception, start: int = 0, *, too_long: bool) -> Rejected:
    """The broken rule that an error of `DECODER` means, for text from `start`."""
    if isinstance(error, Rejected):
        return error
    if too_long:
        rule = f"longer than {MAX_CHARACTERS:,} characters, or a quote or bracket is not closed"
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
