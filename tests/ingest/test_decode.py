"""Both decoders: the fast path for plain bodies, and the strict JSON parser.

test_classify.py compares their results.
"""

import gc
import json
import sys
import time
from typing import Any

import pytest

from exporter import event_fields
from exporter.errors import NothingValid, Rejected, TooManyEvents, Unparseable
from exporter.ingest import strict_json
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Media
from exporter.ingest.labels import LabelValues
from exporter.ingest.plain import shape_of
from tests.ingest.listener import LABELS

DECODER = Decoder(max_events=200, max_depth=32)
FIELDS = tuple(name for name in event_fields.FIELDS if name != "labels")
SOFTDRIVE = '{"system":"softdrive"}'
FULL = {
    "id": "7f1c",
    "system": "streampixel",
    "code": 4001,
    "session_id": "s-91",
    "occurred_at": "2026-11-20T19:00:00Z",
    "duration_seconds": 12.5,
    "phase": "connect",
    "final": True,
    "user": "u-7",
    "labels": {"region": "eu"},
}


def decode(body: str | bytes, media: Media = Media.JSON) -> list[Any]:
    """For each event its fields, or the reason of its rejection."""
    decoded = DECODER.decode(media, body.encode() if isinstance(body, str) else body, {})
    outcomes: dict[int, Any] = {each.index: each.reason for each in decoded.rejected}
    places = range(decoded.total) if decoded.places is None else decoded.places
    for place, *fields, labels in zip(places, *decoded.events, strict=True):
        outcomes[place] = dict(zip(FIELDS, fields, strict=True))
        try:
            outcomes[place]["labels"] = LabelValues(LABELS, 50, 32)[labels]
        except Rejected as error:
            outcomes[place] = error.reason
    assert sorted(outcomes) == list(range(decoded.total))
    return [outcomes[place] for place in range(decoded.total)]


# --- the fast path --------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [{}, {"region": "eu"}, {"region": "eu", "other": "é"}])
@pytest.mark.parametrize("count", [1, 150], ids=["bytes", "numpy"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["json", "lines", "crlf"])
def test_plain_events_take_the_fast_path(
    monkeypatch: pytest.MonkeyPatch, labels: dict[str, str], count: int, end: str
) -> None:
    def parse(_text: bytes) -> None:
        raise AssertionError("the strict parser was used")

    event = json.dumps({**FULL, "labels": labels}, ensure_ascii=False)
    body = (event + end) * count if end else f"[{','.join([event] * count)}]"
    monkeypatch.setattr(strict_json, "parse", parse)
    decoded = DECODER.decode(Media.NDJSON if end else Media.JSON, body.encode(), {})
    assert len(decoded.events.system) == decoded.total == count


@pytest.mark.parametrize(
    "pairs",
    [
        '"id":"a","id" :"b"',
        '"id":"a","id":null',
        '"\\u0069d":"a","id":"b"',
        '"session_id":"\\":","id"\t:"a","id":"b"',
        '"x":1,"x" :1',
        '"x":{"y":1,"y":2}',
        '"labels":{"region":"a","region" :"b"}',
        '"labels":{"region":"a"},"labels":{}',
        '"labels" :{},"labels":{"region":"a"}',
        '"labels":{"region\\":":"a"},"labels":{"region":"b"}',
        '"labels":{"x":{"y":1,"y":1}}',
        '"system":"softdrive"',
        # A label with the name of a field: its text must not decide how many quotes the field has.
        '"labels":{"final":"x","more":[{},{}]},"final":true,"final":true',
        '"labels":{"duration_seconds":"x","more":[{},{}]},"duration_seconds":1,"duration_seconds":1',
    ],
)
@pytest.mark.parametrize("filler", [0, 50], ids=["bytes", "numpy"])
@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
def test_duplicate_key_is_rejected(pairs: str, filler: int, media: Media) -> None:
    """Fails without the count of keys: the last of the two values would be used silently."""
    duplicate = '{"system":"softdrive",' + pairs + "}"
    events = [duplicate] + [json.dumps({"system": "softdrive", "id": "f" * 100})] * filler
    body = "\n".join(events) if media is Media.NDJSON else f"[{','.join(events)}]"
    first, *others = decode(body, media)
    assert first == "duplicate_key"
    assert all(isinstance(other, dict) for other in others)


@pytest.mark.parametrize("name", [name for name in FULL if name != "system"])
def test_empty_text_in_a_batch_means_absent(name: str) -> None:
    """Fails when the decoder of a shape accepts "": two events that are alike get two fingerprints."""
    given, expected = ([FULL, {**FULL, name: value}] for value in ("", None))
    assert decode(json.dumps(given)) == decode(json.dumps(expected))


@pytest.mark.parametrize(
    "labels",
    [
        f'{{"x":[{"[]," * 30}1]}}',
        f'{{"x":[{"{}," * 30}1]}}',
        f'{{"x":"{"y" * 600}"}}',
    ],
    ids=["arrays", "objects", "long"],
)
@pytest.mark.parametrize("count", [1, 100])
def test_event_loop_parses_no_nested_or_long_labels_of_large_bodies(
    labels: str, count: int
) -> None:
    """Fails without the bounds: the classifier parsed a megabyte of nested labels in 80 ms, on the event
    loop."""
    event = f'{{"system":"softdrive","labels":{labels}}}' + " " * 16 * 1024
    body = f"[{','.join([event] * count)}]" if count > 1 else event
    assert DECODER.decode_plain(Media.JSON, body.encode()) is None
    assert decode(body) == decode(f"[{','.join([SOFTDRIVE] * count)}]")


# --- lines ----------------------------------------------------------------------------------------


def test_unreadable_line_is_rejected_at_its_place() -> None:
    body = SOFTDRIVE + '\r\n\n{"system":\n \t\r\n' + SOFTDRIVE + "\n"
    first, second, third = decode(body, Media.NDJSON)
    assert first == third
    assert second == "invalid_json"


@pytest.mark.parametrize("body", ["a\nb\n", '{"system":\n"softdrive"}', SOFTDRIVE + SOFTDRIVE])
def test_each_line_is_one_event(body: str) -> None:
    """Fails without the count of lines: msgspec accepts all these bodies, but the strict parser, which reads
    bodies with unknown fields, refuses them."""
    with pytest.raises(Unparseable, match="no line is JSON; first line: not JSON: "):
        decode(body, Media.NDJSON)


def test_byte_order_mark_in_front_of_a_body_is_ignored() -> None:
    """Fails when the mark is not removed: PowerShell writes one, and the first event was rejected."""
    marked = "\ufeff" + SOFTDRIVE
    assert decode(marked) == decode(SOFTDRIVE)
    for odd in ("", '{"x":1}\n'):
        lines = f"{marked}\n{odd}{marked}"
        assert decode(lines, Media.NDJSON)[0] == decode(SOFTDRIVE)[0]
        assert decode(lines, Media.NDJSON)[-1] == "invalid_json"


def test_empty_text_means_absent() -> None:
    """The same holds in `send`: forms and CSV converters write "" for a missing value."""
    empty = {name: "" for name in FULL if name != "system"}
    assert decode(json.dumps({"system": "softdrive", **empty})) == decode(SOFTDRIVE)
    assert decode('{"system":""}') == ["missing_system"]


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "not JSON: Expecting value"),
        (SOFTDRIVE.encode() + b" x", "not JSON: Extra data"),
        (b"\xef\xbb\xbf" * 2 + SOFTDRIVE.encode(), "not JSON: Unexpected UTF-8 BOM"),
        (b'[{"system":"a"},{"system":"a","labels":{"x":"\xff"}}]', "not JSON: 'utf-8' codec can't"),
        (b'{"system":"softdrive","x":"\xed\xa0\x80"}', "not JSON: 'utf-8' codec can't"),
        (b'{"duration_seconds":NaN}', "not JSON: NaN is not a JSON number"),
        (b'{"duration_seconds":-Infinity}', "not JSON: -Infinity is not a JSON number"),
        (b'{"code":' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit"),
        (b'{"id":"a\nb"}', "not JSON: Invalid control character"),
        (b'{"x":' + b"[" * 99_999 + b"]" * 99_999 + b"}", "nested too deep to be parsed"),
        (b'{"x":[' + b"[]," * 99_999 + b"1]}", "more than 100,000 arrays and objects"),
    ],
)
def test_body_that_is_not_json_is_unparseable(body: bytes, detail: str) -> None:
    with pytest.raises(Unparseable, match=f"^{detail}"):
        decode(body)


@pytest.mark.parametrize(
    ("media", "body"),
    [(Media.JSON, " [ ] "), (Media.NDJSON, ""), (Media.NDJSON, "\r\n \n\n")],
)
def test_body_without_events_has_nothing_valid(media: Media, body: str) -> None:
    with pytest.raises(NothingValid, match=r"^no event in the body$"):
        decode(body, media)


@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
@pytest.mark.parametrize("extra", ["", ',"x":1'], ids=["fast", "strict"])
def test_events_beyond_the_limit_are_refused(media: Media, extra: str) -> None:
    event = '{"system":"softdrive"' + extra + "}"
    decoder = Decoder(max_events=3, max_depth=32)

    def body(count: int) -> bytes:
        separator = "\n" if media is Media.NDJSON else ","
        text = separator.join([event] * count)
        return (text if media is Media.NDJSON else f"[{text}]").encode()

    assert len(decoder.decode(media, body(3), {}).events.system) == 3
    with pytest.raises(TooManyEvents, match=r"^4 events: at most 3 in one request \(max_events\)$"):
        decoder.decode(media, body(4), {})


# --- events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("null", "an event is a JSON object"),
        ('[["x"]]', "an event is a JSON object"),
        ("{}", "system: required, the name of a loaded taxonomy"),
        ('{"system":"a","code":1.5}', "code: must be an integer or a string, not a number"),
        ('{"system":"a","code":true}', "code: must be an integer or a string, not true or false"),
        (
            '{"system":"a","duration_seconds":"1"}',
            "duration_seconds: must be a number, not a string",
        ),
        ('{"system":"a","labels":[],"x":1}', "labels: must be an object"),
        (
            json.dumps({"system": "a", "labels": dict.fromkeys(map(str, range(65))), "x": 1}),
            "labels: 65 names, at most 64",
        ),
        (
            '{"system":"a","occurred_at":"2026-11-20T19:00:00"}',
            "occurred_at: must be an RFC 3339 time with a timezone component",
        ),
        ('{"system":"a","id":"\\ud800"}', "id: contains a lone surrogate"),
    ],
)
def test_field_of_wrong_type_is_rejected_with_its_rule(event: str, expected: str) -> None:
    (rejection,) = DECODER.decode(Media.JSON, event.encode(), {}).rejected
    assert rejection.message == expected


@pytest.mark.parametrize("field", ["system", "code", "id", "session_id", "phase", "occurred_at"])
@pytest.mark.parametrize("fault", ["", '"id":"a","id":"b",', f'"x":{"[" * 40}{"]" * 40},'])
def test_lone_surrogate_rejects_only_its_event(field: str, fault: str) -> None:
    """Fails without the check: the first `.encode()` of the text raises. msgspec refuses the whole body."""
    wrong = {"system": "softdrive", field: "a\ud800"}
    other = '{"system":"softdrive",' + fault + '"x":"\\ud800"}'
    events = decode(f" [{json.dumps(wrong)} , {other},{SOFTDRIVE}] ")
    assert events[0] == "invalid_field"
    assert isinstance(events[1], str) == bool(fault)
    assert isinstance(events[2], dict)
    assert decode('{"system":"softdrive","id":"\\ud83d\\ude00"}')[0]["id"] == "😀"


@pytest.mark.parametrize("field", ["x", "labels"])
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ('{"a":[', "]}")])
def test_event_has_at_most_32_levels(field: str, opening: str, closing: str) -> None:
    """Fails without the depth check; the event itself is the first level."""

    def nested(levels: int) -> list[Any]:
        repeats = levels // len(closing)
        value = opening * repeats + "1" + closing * repeats
        event = f'{{"system":"softdrive","{field}":{value}}}'
        both = decode(f"[{SOFTDRIVE},{event}]")
        assert decode(event) == both[1:]
        return both

    assert isinstance(nested(31)[1], dict)
    assert nested(32)[1] == "too_deep"
    sound, deep = nested(500)
    assert isinstance(sound, dict)
    assert deep == "too_deep"


@pytest.mark.parametrize("text", ['"', "\\\\", '\\\\"', "[" * 40, '"' + "[" * 40])
def test_depth_does_not_count_brackets_in_strings(text: str) -> None:
    deep = json.loads("[" * 40 + "]" * 40)
    assert isinstance(decode(json.dumps({"system": "softdrive", "x": text}))[0], dict)
    assert decode(json.dumps({"system": "softdrive", "x": text, "y": deep})) == ["too_deep"]


@pytest.mark.parametrize("code", [2**63, -(2**401), 10**4000])
def test_integer_code_has_any_size_that_python_reads(code: int) -> None:
    assert decode(f'{{"system":"softdrive","code":{code}}}')[0]["code"] == code


# --- cost -----------------------------------------------------------------------------------------


def calls(text: bytes) -> int:
    """Calls of Python functions while a text is parsed and checked."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    # A garbage collection would call callbacks, such as that of hypothesis.
    gc.disable()
    sys.setprofile(count)
    try:
        strict_json.parse(text).checked(32)
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


@pytest.mark.parametrize(
    ("item", "calls_each"),
    [(b"[" * 28 + b"]" * 28, 0), (b'["[[[[",1.5,null]', 0), (b'{"a":{}}', 2)],
)
def test_parsing_calls_no_function_per_array_and_one_per_object(
    item: bytes, calls_each: int
) -> None:
    """Row 31. Fails when Python code visits all values to find the depth: 64 KiB delayed other senders by 20
    ms."""
    few, many = (calls(b"[" + b",".join([item] * number) + b"]") for number in (1, 1000))
    assert many <= few + calls_each * 1000 + 5


def test_spaces_after_an_event_cost_little_time() -> None:
    """Fails when the search for the end of an event tries each split of the spaces: 6 ms per body."""
    body = b"[{}" + b" " * 2000 + b"x" * 100
    began = time.process_time()
    for _ in range(100):
        shape_of(body)
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize("name", ["id", "session_id", "user"])
@pytest.mark.parametrize("several", [False, True], ids=["an event", "an array"])
def test_placeholder_for_a_missing_value_is_absent(name: str, several: bool) -> None:
    """Fails when the fast path takes such a body."""
    event = {"system": "softdrive", "code": "01", name: "undefined"}
    body = json.dumps([event] if several else event).encode()
    decoded = DECODER.decode(Media.JSON, body, {})
    assert getattr(decoded.events, name)[0] is None
