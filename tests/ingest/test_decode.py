"""Both ways of decoding a body against a reference that was written from the contract."""

import json
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.errors import NothingValid, Refused, Rejected, TooManyEvents, Unparseable
from exporter.ingest import careful
from exporter.ingest.decode import Decoder
from exporter.ingest.labels import LabelValues
from exporter.ingest.media import Media
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.listener import LABELS

DECODER = Decoder(max_events=200, max_depth=32)
RANDOM = st.integers(0, 2**32).map(Random)
"""A seed and not `st.randoms`, which remembers every number: a minute instead of seconds."""
PLAIN = st.sampled_from((Media.JSON, Media.NDJSON))
FILLER = [Pairs((("system", "softdrive"), ("id", f"{n:04}" + "f" * 100))) for n in range(30)]
"""Makes a body long enough for the counting with numpy."""


def outcome(media: Media, body: bytes, decoder: Decoder = DECODER) -> str | dict[int, Any]:
    """A refusal's reason, or for each place the reason of its rejection or its fields."""
    try:
        decoded = decoder.decode(media, body, {})
    except Refused as refused:
        return refused.reason
    found: dict[int, Any] = {one.index: one.reason for one in decoded.rejected}
    events = decoded.events
    count = len(events.system)
    places = range(decoded.total) if decoded.places is None else decoded.places
    assert len(places) == count == decoded.total - len(decoded.rejected)
    for place, *fields, labels in zip(places, *events, strict=True):
        try:
            values = LabelValues(LABELS, 50, 32)[labels]
        except Rejected as error:
            found[place] = error.reason
        else:
            found[place] = dict(zip(bodies.FIELDS, (*fields, values), strict=True))
    assert sorted(found) == list(range(decoded.total))
    return found


def plain(value: object) -> str | dict[int, Any]:
    return outcome(Media.JSON, json.dumps(value).encode())


def reference(values: list[Any]) -> dict[int, Any]:
    found = {place: bodies.expected(value) for place, value in enumerate(values)}
    # Forbidden characters in label values are tests/ingest/test_labels.py's.
    for place, one in found.items():
        if isinstance(one, dict) and any(not value.isprintable() for value in one["labels"]):
            try:
                LabelValues(LABELS, 50, 32)[_labels(values[place])]
            except Rejected as error:
                found[place] = error.reason
    return found


def _labels(event: Pairs) -> bytes:
    return json.dumps(dict(event.get("labels").pairs), default=lambda _: None).encode()


# --- the reference ----------------------------------------------------------------------------------


@given(
    PLAIN,
    st.lists(bodies.odd_events(), min_size=1, max_size=4),
    st.booleans(),
    RANDOM,
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_decodes_to_what_the_contract_says(
    media: Media, values: list[Any], long: bool, rnd: Any
) -> None:
    values = values + FILLER if long else values
    assert outcome(media, bodies.body(media, values, rnd)) == reference(values)


@given(PLAIN, st.lists(bodies.good_events(), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_body_with_nothing_unusual_is_not_decoded_twice(
    media: Media, values: list[Pairs], long: bool
) -> None:
    """The speed is real only when ordinary bodies take the fast path; so is the test of it."""
    values = values + FILLER if long else values
    texts = [json.dumps(_dict(one), ensure_ascii=False) for one in values]
    # An empty text and a code 0 count as absent in the fast path's sum, and only cost a closer look.
    if any(_dict(one).get("code") == 0 for one in values):
        return
    if any(not text or '":' in "".join(text.split()) for one in values for text in _texts(one)):
        return
    body = "\n".join(texts) if media is Media.NDJSON else f"[{','.join(texts)}]"
    assert takes_the_fast_path(media, body.encode())


def _dict(value: Any) -> Any:
    return {key: _dict(inner) for key, inner in value.pairs} if isinstance(value, Pairs) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, Pairs):
        return [text for pair in value.pairs for one in pair for text in _texts(one)]
    return [json.dumps(value)[1:-1]] if isinstance(value, str) else []


def takes_the_fast_path(media: Media, body: bytes) -> bool:
    """Whether the body is decoded without `careful.parse`."""

    def parse(text: bytes | str) -> Any:
        raise Unparseable("the careful path was taken")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(careful, "parse", parse)
        try:
            return bool(DECODER.decode(media, body, {}).events.system)
        except Unparseable:
            return False


@pytest.mark.parametrize("labels", [{}, {"region": "eu"}, {"region": "eu", "other": "x"}])
@pytest.mark.parametrize("count", [1, 150])
@pytest.mark.parametrize(
    ("media", "ends"),
    [(Media.JSON, ""), (Media.NDJSON, "\n"), (Media.NDJSON, "\r\n")],
)
def test_an_event_with_every_field_takes_the_fast_path(
    labels: dict[str, str], count: int, media: Media, ends: str
) -> None:
    event = {
        "id": "7f1c",
        "system": "streampixel",
        "code": 4001,
        "session_id": "s-91",
        "occurred_at": "2026-11-20T19:00:00Z",
        "duration_seconds": 12.5,
        "phase": "connect",
        "final": True,
        "labels": labels,
    }
    text = json.dumps([event] * count)
    if media is Media.NDJSON:
        text = ends.join([json.dumps(event)] * count) + ends
    assert takes_the_fast_path(media, text.encode())


# --- duplicate keys ---------------------------------------------------------------------------------

BEFORE_COLON = ("", " ", "\t", "  ", " \t ")
TWICE = (
    '"id":"a","id"{}:"b"',
    '"id"{}:"a","id":null',
    '"id":null,"id"{}:"b"',
    '"\\u0069d"{}:"a","id":"b"',
    '"id"{}:"a\\":","id":"b"',
    '"session_id":"\\":","id"{}:"a","id":"b"',
    '"x"{}:1,"x":1',
    '"x"{}:{{"y":1,"y":2}}',
    '"labels":{{"region":"a","region"{}:"b"}}',
    '"labels":{{"region":"a"}},"labels"{}:{{}}',
    '"labels"{}:{{}},"labels":{{"region":"a"}}',
    '"labels":{{"region\\":":"a"}},"labels"{}:{{"region":"b"}}',
    '"labels":null,"labels"{}:{{"a":"b"}}',
    '"labels":{{"x":{{"y":1,"y"{}:1}}}}',
    '"code"{}:1,"code":"1"',
    '"system"{}:"softdrive"',
)


@pytest.mark.parametrize("space", BEFORE_COLON)
@pytest.mark.parametrize("pairs", TWICE)
@pytest.mark.parametrize("size", [0, 5000])
@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
def test_a_key_that_is_there_twice_never_passes(
    space: str, pairs: str, size: int, media: Media
) -> None:
    """Fails without the count of keys: the last of the two would win, silently."""
    filler = json.dumps({"system": "softdrive", "id": "f" * 100})
    twice = '{"system":"softdrive",' + pairs.format(space) + "}"
    events = [twice] + [filler] * (size // len(filler))
    text = "\n".join(events) if media is Media.NDJSON else f"[{','.join(events)}]"
    found = outcome(media, text.encode())
    assert isinstance(found, dict)
    assert found[0] == "duplicate_key"
    assert [place for place, one in found.items() if isinstance(one, str)] == [0]


@given(
    st.dictionaries(st.sampled_from(bodies.FIELDS[1:4]), bodies.texts, min_size=1),
    st.data(),
    RANDOM,
)
@settings(max_examples=200, deadline=None)
def test_a_generated_key_that_is_there_twice_never_passes(
    fields: dict[str, str], data: st.DataObject, rnd: Any
) -> None:
    pairs = [("system", "softdrive"), *fields.items()]
    pairs.append((data.draw(st.sampled_from(sorted(fields))), data.draw(bodies.texts)))
    values = [Pairs(tuple(pairs))] + (FILLER if data.draw(st.booleans()) else [])
    found = outcome(Media.JSON, bodies.write(values, rnd).encode())
    assert isinstance(found, dict)
    assert found[0] == "duplicate_key"


# --- hostile numbers, texts and shapes --------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"system":"softdrive"} x',
        b'{"system":"softdrive"}{"system":"softdrive"}',
        b'{"system":"softdrive",}',
        b"\xef\xbb\xbf" + b'{"system":"softdrive"}',
        b'{"system":"soft\xff"}',
        b'{"system":"softdrive","labels":{"x":"\xff"}}',
        b'{"system":"softdrive","x":"\xed\xa0\x80"}',
        b'{"system":"softdrive","duration_seconds":NaN}',
        b'{"system":"softdrive","duration_seconds":-Infinity}',
        b'{"system":"softdrive","code":' + b"9" * 5000 + b"}",
        b'{"system":"softdrive","id":"a\nb"}',
        b'{"system":"softdrive","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"system":"softdrive","labels":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
)
@pytest.mark.parametrize("media", [Media.JSON, Media.CLOUDEVENT, Media.CLOUDEVENT_BATCH])
def test_what_is_not_json_is_unparseable(media: Media, body: bytes) -> None:
    with pytest.raises(Unparseable):
        DECODER.decode(media, body, {})


def test_the_body_is_refused_for_bad_utf8_wherever_it_stands() -> None:
    """msgspec takes the text of labels unread: the other events would have been counted."""
    for bad in (b'{"system":"a","labels":{"x":"\xff"}}', b'{"system":"a","x":"\xff"}'):
        assert outcome(Media.JSON, b'[{"system":"softdrive"},' + bad + b"]") == "unparseable"


@pytest.mark.parametrize("body", [b"[]", b" [ ] "])
def test_an_empty_array_has_nothing_valid(body: bytes) -> None:
    with pytest.raises(NothingValid):
        DECODER.decode(Media.JSON, body, {})


@pytest.mark.parametrize("body", [b"", b"\n", b"\r\n \n\n"])
def test_blank_lines_have_nothing_valid(body: bytes) -> None:
    with pytest.raises(NothingValid):
        DECODER.decode(Media.NDJSON, body, {})


@pytest.mark.parametrize("item", [None, 1, 1.5, True, "x", ["x"], []])
def test_an_item_that_is_no_object_is_rejected_at_its_place(item: object) -> None:
    found = plain([{"system": "softdrive"}, item])
    assert isinstance(found, dict)
    assert isinstance(found[0], dict)
    assert found[1] == "not_an_object"


def nest(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    return opening * levels + "1" + closing * levels


@pytest.mark.parametrize("field", ["x", "labels"])
@pytest.mark.parametrize(("opening", "closing"), [('{"a":', "}"), ('{"a":[', "]}")])
def test_an_event_may_be_nested_32_levels_and_no_more(
    field: str, opening: str, closing: str
) -> None:
    """Fails without the depth check; the event itself is the first level."""
    step = len(opening.replace('"a":', ""))

    def found(levels: int) -> Any:
        return outcome(
            Media.JSON,
            f'[{{"system":"softdrive"}},{{"system":"softdrive","{field}":'.encode()
            + nest(levels // step, opening, closing).encode()
            + b"}]",
        )

    assert isinstance(found(31)[1], dict)
    assert found(32)[1] == "too_deep"
    assert found(500)[1] == "too_deep"
    assert isinstance(found(500)[0], dict)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400])
def test_a_duration_beyond_floats_decodes_to_no_finite_number(number: str) -> None:
    body = f'{{"system":"softdrive","duration_seconds":{number}}}'.encode()
    found = outcome(Media.JSON, body)
    assert isinstance(found, dict)
    one = found[0]
    assert one == "invalid_field" or abs(one["duration_seconds"]) == float("inf")


@pytest.mark.parametrize("code", [2**63, 2**401, -(2**401), 10**4000])
def test_an_integer_code_may_be_of_any_size_python_reads(code: int) -> None:
    found = outcome(Media.JSON, f'{{"system":"softdrive","code":{code}}}'.encode())
    assert isinstance(found, dict)
    assert found[0]["code"] == code


@pytest.mark.parametrize("code", ["1.0", "1e3", "true", "[]", "{}"])
def test_a_code_is_a_string_or_an_integer(code: str) -> None:
    body = f'{{"system":"softdrive","code":{code}}}'.encode()
    assert outcome(Media.JSON, body) == {0: "invalid_field"}


@pytest.mark.parametrize("field", ["system", "code", "id", "session_id", "phase", "occurred_at"])
def test_half_of_a_surrogate_pair_is_rejected_and_only_that_event(field: str) -> None:
    """Fails without the surrogate check: `.encode()` of it raises wherever it first happens."""
    event = {"system": "softdrive", field: "a\ud800"}
    found = plain([event, {"system": "softdrive"}])
    assert isinstance(found, dict)
    assert found[0] == "invalid_field"
    assert isinstance(found[1], dict)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    found = outcome(Media.JSON, b'{"system":"softdrive","id":"\\ud83d\\ude00"}')
    assert isinstance(found, dict)
    assert found[0]["id"] == "😀"


@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
@pytest.mark.parametrize("extra", ["", ',"x":1'])
def test_more_events_than_allowed_are_refused(media: Media, extra: str) -> None:
    event = '{"system":"softdrive"' + extra + "}"
    decoder = Decoder(max_events=3, max_depth=32)

    def body(count: int) -> bytes:
        if media is Media.NDJSON:
            return "\n".join([event] * count).encode()
        return f"[{','.join([event] * count)}]".encode()

    assert len(decoder.decode(media, body(3), {}).events.system) == 3
    with pytest.raises(TooManyEvents, match="at most 3"):
        decoder.decode(media, body(4), {})


# --- lines ------------------------------------------------------------------------------------------


def test_an_unreadable_line_is_rejected_at_its_place() -> None:
    body = b'{"system":"softdrive"}\r\n\n{"system":\n \t\r\n{"system":"streampixel"}\n'
    found = outcome(Media.NDJSON, body)
    assert isinstance(found, dict)
    assert found[1] == "invalid_json"
    assert (found[0]["system"], found[2]["system"]) == ("softdrive", "streampixel")


def test_lines_none_of_which_is_json_are_unparseable() -> None:
    with pytest.raises(Unparseable, match="no line is JSON"):
        DECODER.decode(Media.NDJSON, b"a\nb\n", {})


@pytest.mark.parametrize(
    "body",
    [
        b'{"system":\n"softdrive"}',
        b'{"system":"softdrive"}{"system":"softdrive"}',
        b'{"system":"softdrive"} {"system":"softdrive"}',
        b'{"system":"softdrive"}\r{"system":"softdrive"}',
    ],
)
def test_an_event_a_line_is_meant(body: bytes) -> None:
    """msgspec takes all of these; a sender whose events pass today must not be refused for an unknown
    field tomorrow. Fails without the count of lines."""
    assert outcome(Media.NDJSON, body) == "unparseable"


def test_two_events_that_share_their_lines_crosswise_are_not_taken() -> None:
    body = b'{"system":"a"}{"system":\n"b"}\n{"system":"softdrive"}'
    found = outcome(Media.NDJSON, body)
    assert isinstance(found, dict)
    assert [found[0], found[1]] == ["invalid_json", "invalid_json"]


# --- bytes ------------------------------------------------------------------------------------------


@given(PLAIN, st.binary(max_size=80))
@example(Media.JSON, b'{"system":"a","occurred_at":"0001-01-01T00:00:00+23:59"}')
@settings(max_examples=60, deadline=None)
def test_any_bytes_decode_or_are_refused(media: Media, body: bytes) -> None:
    found = outcome(media, body)
    assert isinstance(found, dict) or found in ("unparseable", "nothing_valid")


@given(st.lists(bodies.odd_events(), min_size=1, max_size=3), RANDOM)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_decodes_is_what_msgspec_reads(values: list[Any], rnd: Any) -> None:
    """A second opinion: fields that passed are those of an independent reader of the same text."""
    text = bodies.write(values, rnd).encode()
    found = outcome(Media.JSON, text)
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError):
        return
    assert isinstance(found, dict)
    for place, one in found.items():
        if isinstance(one, dict):
            assert one["id"] == parsed[place].get("id")
            assert one["session_id"] == parsed[place].get("session_id")
