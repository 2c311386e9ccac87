"""Both ways of decoding a body against a reference that was written from the contract."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.errors import Rejected, Unparseable
from exporter.ingest import careful
from exporter.ingest.labels import LabelValues
from exporter.ingest.media import Media
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.decoding import DECODER, FILLER, RANDOM, outcome
from tests.ingest.listener import LABELS

PLAIN = st.sampled_from((Media.JSON, Media.NDJSON))


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


# --- the reference --------------------------------------------------------------------------------


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


# --- lines ----------------------------------------------------------------------------------------


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


# --- bytes ----------------------------------------------------------------------------------------


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
