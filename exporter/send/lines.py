"""Lines of any length in bounded memory, and the NDJSON events on them."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NoReturn

from exporter.errors import Rejected

LONGEST: Final = 1 << 20
"""Bytes of one event, as written: the server's default `max_body`, so no longer one can be taken."""
TOO_LONG: Final = f"longer than {LONGEST:,} bytes, or never closed"

Found = tuple[int, dict[str, Any] | Rejected]
"""The line (from 1) that a record begins on, and its fields or what is wrong with it."""


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line, line end included; None for one longer than `LONGEST`."""
    number = 0
    while line := stream.readline(LONGEST + 1):
        number += 1
        if len(line) <= LONGEST or line.endswith(b"\n"):
            yield number, line
            continue
        while (more := stream.readline(LONGEST)) and not more.endswith(b"\n"):
            pass
        yield number, None


def ndjson(stream: BinaryIO) -> Iterator[Found]:
    """An event a line; blank lines are none. A bad line is found as such and the rest goes on."""
    for number, line in lines(stream):
        if line is None:
            yield number, Rejected("invalid_json", TOO_LONG)
        elif text := line.strip():
            yield number, parsed(text)


def parsed(text: bytes) -> dict[str, Any] | Rejected:
    """The JSON object in `text`, or the rule it breaks."""
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except Rejected as error:
        return error
    except RecursionError:
        return Rejected("too_deep", "nested too deep")
    except ValueError as error:
        return Rejected("invalid_json", _why(error))
    if not isinstance(value, dict):
        return Rejected("not_an_object", "an event is a JSON object")
    return value


def _why(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    # int() refuses more than 4,300 digits, and its own text talks about Python.
    return "a number has too many digits"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Rejected("duplicate_key", f"{twice[:100]!r} is there twice")
    return found


def _not_a_number(name: str) -> NoReturn:
    raise Rejected("invalid_json", f"not JSON: {name}")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_not_a_number)
