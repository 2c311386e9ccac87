"""Valid bodies in every format, and tokens and header values that are difficult for parsers."""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from exporter.ingest.guard import Media


def _quoted(words: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(b'"' + word + b'"' for word in words)


_NUMBERS: Final = (
    *b"0 -0 1 01 1. .5 +1 - 1e 0x10 1_000 1e999 -1e999".split(),
    *b"1e-999 1e308 4001.0 1e3 NaN -NaN Infinity -Infinity -1".split(),
    *b"9007199254740993 2305843009213693951 9223372036854775808 -9223372036854775809".split(),
    *(b"18446744073709551616", b"9" * 400, b"9" * 4301, b"-" + b"9" * 5000, b"0." + b"1" * 2000),
)
_WORDS: Final = (
    *b"null true false nul True None undefined {} [] [[]] [null]".split(),
    *(b'{"a":1,"a":2}', b'{"":""}', b"// x", b"/* */", b"'a'", b"`a`"),
    *(b"", b" ", b"\n", b"\r\n", b"\r", b"\x00", b"\x0b", b"\x85"),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff", b"\xc0\x80", b"\xed\xa0\x80"),
    *rb'{ } [ ] : , " \ "a": ": \":'.split(),
)
_TEXTS: Final = (
    *rb'"" "\ud800" "\udfff" "\udc00\ud800" "\ud83d\ude00" "\u0000" "\u202e"'.split(),
    *rb'"\u2066x" "\u0085" "\u2028" "\u00e9"'.split(),
    *_quoted((b"\xc3\xa9", b"\xff", b"\xed\xa0\x80")),
    *_quoted((b"\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf")),
    *(*rb'"\x" "\u12" "\"'.split(), b'"a\nb"'),
    *(*rb'"a\":b" "\\" "\\\":"'.split(), b'"x" :'),
    *(rb'"\n# EOF"', b'"} 7"', rb'"quote \" quote"'),
    *_quoted(b"x" * size for size in (117, 118, 127, 128, 129, 3000)),
    *_quoted(("é".encode() * 64, "😀".encode() * 33)),
)
_TIMES: Final = _quoted(
    (
        *(b"2026-11-20T19:00:00Z", b"2026-11-20t19:00:00z", b"2026-11-20 19:00:00Z"),
        *b"2026-11-20T24:00:00Z 2016-12-31T23:59:60Z 0001-01-01T00:00:00+23:59".split(),
        *b"9999-12-31T23:59:59.999999999-23:59 2026-02-29T00:00:00Z 2026-11-20T19:00:00".split(),
        *b"2026-11-20T19:00:00+24:00 9999-99-99T99:99:99Z".split(),
        *b"2026-11-20T19:00:00.0000000001Z 2026-11-20T19:00:00,5Z".split(),
        *b"2026-11-20T19:04:59.999999Z 2026-11-20T19:05:00.000001Z".split(),
        *b"2026-11-20T18:45:00Z 2026-11-20T18:44:59.9Z 1763665200".split(),
    )
)
KEYS: Final = _quoted(
    (
        *b"system code id session_id occurred_at duration_seconds phase final user".split(),
        *b"labels region project data data_base64 source type specversion".split(),
        *(*rb"time x".split(), b"", *rb"syste\u006d \u0069d Code".split(), b"id "),
        *rb"__proto__ \ud800 sessionId Error_Code".split(),
    )
)
_VALID: Final = (
    *b'"softdrive" "streampixel" "01" 4001 "4001" 1000 "unheard" "connect"'.split(),
    *b'"stream" 12.5 0 true false "a" "eu-west" "other" "1.0"'.split(),
)
HOSTILE: Final = (_NUMBERS, _WORDS, _TEXTS, _TIMES, KEYS, _VALID, _VALID, _VALID)
DEPTHS: Final = (2, 29, 30, 31, 32, 33, 34, 100, 1500)
"""Levels of nesting: around the limit of 32, and beyond Python's recursion limit."""
ATTRIBUTES: Final = (
    *(b"", b" ", *rb'"" " "a % %2 %zz %ff %ed%a0%80 %C3%A9 %00'.split(), b"\xff"),
    *(*rb'"\" "a\"b"'.split(), b"x" * 129, b"x" * 5000),
    *b"2026-11-20T19:00:00Z 2026-99 1.0 %F0%9F%98%80".split(),
)


def bodies(media: Media) -> Sequence[bytes]:
    """Valid bodies of a format."""
    events = _EVENTS
    if media is Media.JSON:
        wholes: list[Any] = [*events, [], events, events[:2], [events[0]] * 3]
        return [_text(value) for value in wholes] + [json.dumps(events, indent=1).encode()]
    if media is Media.NDJSON:
        lines = [_text(event) for event in events]
        ends = (b"\n", b"\r\n", b"\n\n")
        return [
            *lines,
            *(end.join(lines) for end in ends),
            *(end.join(lines[:2]) + end for end in ends),
        ]
    if media is Media.CLOUDEVENT_BINARY:
        return [_text(event) for event in events]
    envelopes = [
        {"specversion": "1.0", "id": f"e{number}", "source": "/kiosk", "type": "end", "data": event}
        for number, event in enumerate(events)
    ]
    envelopes[0]["time"] = "2026-11-20T19:00:00Z"
    encoded = base64.b64encode(_text(events[0])).decode()
    envelopes.append({**envelopes[1], "data_base64": encoded, "data": None})
    if media is Media.CLOUDEVENT:
        return [_text(envelope) for envelope in envelopes]
    return [_text(envelopes), _text(envelopes[:2]), _text(envelopes[-1:])]


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


_EVENTS: Final[list[dict[str, Any]]] = json.loads("""[
{"system": "streampixel", "code": 4001, "id": "a"},
{"id": "b", "system": "softdrive", "code": "01", "occurred_at": "2026-11-20T19:00:00Z"},
{"id": "7f1c", "system": "streampixel", "code": "4005", "session_id": "s-91",
 "occurred_at": "2026-11-20T18:59:00+00:00", "duration_seconds": 12.5, "phase": "connect", "final": true,
 "user": "u-7", "labels": {"region": "eu-west", "project": "configurator"}},
{"system": "softdrive", "session_id": "s", "occurred_at": "2026-11-20T18:00:00Z", "final": false},
{"system": "softdrive", "code": null, "id": null, "labels": {"region": "é", "zone": [1, {"a": []}]}},
{"system": "streampixel", "code": "", "id": "😀", "labels": {}}
]""")
