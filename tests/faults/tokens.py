"""JSON tokens and header values that parsers stumble over, among a few that are sound."""

from typing import Final

_NUMBERS: Final = (
    *(
        b"0",
        b"-0",
        b"1",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"-",
        b"1e",
        b"0x10",
        b"1_000",
        b"1e999",
        b"-1e999",
    ),
    *(b"1e-999", b"1e308", b"4001.0", b"1e3", b"NaN", b"-NaN", b"Infinity", b"-Infinity", b"-1"),
    *(b"9007199254740993", b"2305843009213693951", b"9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551616", b"9" * 400, b"9" * 4301, b"-" + b"9" * 5000, b"0." + b"1" * 2000),
)
_WORDS: Final = (
    *(
        b"null",
        b"true",
        b"false",
        b"nul",
        b"True",
        b"None",
        b"undefined",
        b"{}",
        b"[]",
        b"[[]]",
        b"[null]",
    ),
    *(
        b'{"a":1,"a":2}',
        b'{"":""}',
        b"// x",
        b"/* */",
        b"'a'",
        b"`a`",
        b"",
        b" ",
        b"\n",
        b"\r\n",
        b"\r",
    ),
    *(
        b"\x00",
        b"\x0b",
        b"\x85",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
    ),
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b'"a":', b'":', b'\\":'),
)
_TEXTS: Final = (
    *(
        b'""',
        b'"\\ud800"',
        b'"\\udfff"',
        b'"\\udc00\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\\u0000"',
        b'"\\u202e"',
    ),
    *(
        b'"\\u2066x"',
        b'"\\u0085"',
        b'"\\u2028"',
        b'"\\u00e9"',
        b'"\xc3\xa9"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
    ),
    *(
        b'"\xf0\x9f\x98\x80"',
        b'"\xf4\x90\x80\x80"',
        b'"\xc0\xaf"',
        b'"\\x"',
        b'"\\u12"',
        b'"\\"',
        b'"a\nb"',
    ),
    *(
        b'"a\\":b"',
        b'"\\\\"',
        b'"\\\\\\":"',
        b'"x" :',
        b'"\\n# EOF"',
        b'"} 7"',
        b'"quote \\" quote"',
    ),
    *(b'"' + b"x" * size + b'"' for size in (117, 118, 127, 128, 129, 3000)),
    *(b'"' + "é".encode() * 64 + b'"', b'"' + "😀".encode() * 33 + b'"'),
)
_TIMES: Final = tuple(
    b'"' + one + b'"'
    for one in (
        *(
            b"2026-11-20T19:00:00Z",
            b"2026-11-20t19:00:00z",
            b"2026-11-20 19:00:00Z",
            b"2026-11-20T24:00:00Z",
        ),
        *(
            b"2016-12-31T23:59:60Z",
            b"0001-01-01T00:00:00+23:59",
            b"9999-12-31T23:59:59.999999999-23:59",
        ),
        *(
            b"2026-02-29T00:00:00Z",
            b"2026-11-20T19:00:00",
            b"2026-11-20T19:00:00+24:00",
            b"9999-99-99T99:99:99Z",
        ),
        *(
            b"2026-11-20T19:00:00.0000000001Z",
            b"2026-11-20T19:00:00,5Z",
            b"2026-11-20T19:04:59.999999Z",
        ),
        *(
            b"2026-11-20T19:05:00.000001Z",
            b"2026-11-20T18:45:00Z",
            b"2026-11-20T18:44:59.9Z",
            b"1763665200",
        ),
    )
)
KEYS: Final = tuple(
    b'"' + one + b'"'
    for one in (
        *(
            b"system",
            b"code",
            b"id",
            b"session_id",
            b"occurred_at",
            b"duration_seconds",
            b"phase",
            b"final",
        ),
        *(
            b"labels",
            b"region",
            b"project",
            b"data",
            b"data_base64",
            b"source",
            b"type",
            b"specversion",
        ),
        *(
            b"time",
            b"x",
            b"",
            b"syste\\u006d",
            b"\\u0069d",
            b"Code",
            b"id ",
            b"__proto__",
            b"\\ud800",
        ),
    )
)
_SOUND: Final = (
    *(
        b'"softdrive"',
        b'"streampixel"',
        b'"01"',
        b"4001",
        b'"4001"',
        b"1000",
        b'"unheard"',
        b'"connect"',
    ),
    *(b'"stream"', b"12.5", b"0", b"true", b"false", b'"a"', b'"eu-west"', b'"other"', b'"1.0"'),
)
NASTY: Final = (_NUMBERS, _WORDS, _TEXTS, _TIMES, KEYS, _SOUND, _SOUND, _SOUND)
DEPTHS: Final = (2, 29, 30, 31, 32, 33, 34, 100, 1500)
"""Levels of nesting: around the limit of 32, and past that of Python's recursion."""


ATTRIBUTES: Final = (
    *(
        b"",
        b" ",
        b'""',
        b'"',
        b'"a',
        b"%",
        b"%2",
        b"%zz",
        b"%ff",
        b"%ed%a0%80",
        b"%C3%A9",
        b"%00",
        b"\xff",
    ),
    *(
        b'"\\"',
        b'"a\\"b"',
        b"x" * 129,
        b"x" * 5000,
        b"2026-11-20T19:00:00Z",
        b"2026-99",
        b"1.0",
        b"%F0%9F%98%80",
    ),
)
