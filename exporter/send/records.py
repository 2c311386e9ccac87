"""Records of JSON and NDJSON, each an object or the rule that it breaks, in bounded memory."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn, TextIO

from exporter.errors import Rejected

MAX_CHARACTERS: Final = 64 << 20
"""Characters of a line, or of a JSON file. Azure's query API returns at most 64 MB."""
ARRAYS: Final = ("events", "records", "items", "results", "value", "data", "rows", "tables")
"""Keys that may hold the events of an object around events."""
_SEPARATORS: Final = re.compile(r"[\s,]*")

Record = dict[str, Any] | Rejected
"""The fields of a record, or the rule that it breaks."""


def lines(text: TextIO) -> Iterator[str]:
    """Each line; of a line that is too long only the beginning, to bound memory."""
    while line := text.readline(MAX_CHARACTERS):
        rest = line
        while not rest.endswith("\n") and (rest := text.readline(MAX_CHARACTERS)):
            pass
        yield line


def ndjson_records(
    lines: Iterable[str], plain: Callable[[str], Any] = lambda line: None
) -> Iterator[tuple[int, Any]]:
    """Number and `Record` of each line that is not blank.

    `plain` may return another object for a line. The JSON parser reads the lines for which it returns None.
    """
    for number, line in enumerate(lines, 1):
        if line := line.strip():
            try:
                event = plain(line)
                yield number, as_record(DECODER.decode(line)) if event is None else event
            except (Rejected, ValueError, RecursionError) as error:
                yield number, _rejection(error)


def json_records(text: str) -> Iterator[Record]:
    """The elements of an array, or the objects of a sequence. Raises `Rejected` where it is not JSON."""
    if len(text) >= MAX_CHARACTERS:
        rule = "JSON of more than 64 MiB: write an event per line, jq -c '.[]' FILE"
        raise Rejected("invalid_json", rule)
    at = 0
    while (at := _SEPARATORS.match(text, at).end()) < len(text):  # type: ignore[union-attr]
        try:
            value, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise _rejection(error) from None
        yield from map(as_record, value if isinstance(value, list) else [value])


def as_record(value: Any) -> Record:
    """A JSON value, which must be an object."""
    rule = "an event must be a JSON object"
    return value if isinstance(value, dict) else Rejected("not_an_object", rule)


def _rejection(error: Exception) -> Rejected:
    """The broken rule that an error of `DECODER` means."""
    if isinstance(error, Rejected):
        return error
    if isinstance(error, RecursionError):
        return Rejected("too_deep", "nested too deeply")
    if isinstance(error, json.JSONDecodeError):
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        problem = error.msg.removesuffix(" at")
        return Rejected("invalid_json", f"not JSON: {problem} at {line}character {error.colno}")
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
