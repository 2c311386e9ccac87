"""Numbers, texts and shapes that readers of JSON disagree on."""

import json
from typing import Any

import pytest

from exporter.errors import NothingValid, TooManyEvents, Unparseable
from exporter.ingest.decode import Decoder
from exporter.ingest.media import Media
from tests.ingest.decoding import DECODER, outcome


def plain(value: object) -> str | dict[int, Any]:
    return outcome(Media.JSON, json.dumps(value).encode())


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


@pytest.mark.parametrize("fault", ['"id":"a","id":"b"', f'"x":{"[" * 40}{"]" * 40}'])
def test_half_of_a_surrogate_pair_beside_a_faulty_event_costs_no_other_event(fault: str) -> None:
    """Fails when msgspec takes such an array apart: it refuses the whole body."""
    events = ['{"system":"softdrive","x":"\\ud800"}', '{"system":"softdrive",' + fault + "}"]
    found = outcome(Media.JSON, f" [{events[0]} , {events[1]},{events[0]} ] ".encode())
    assert isinstance(found, dict)
    assert [type(found[place]) for place in range(3)] == [dict, str, dict]


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
