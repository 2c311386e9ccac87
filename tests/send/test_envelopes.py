"""CloudEvents and wrapped exports as files."""

import json
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest.decode import Decoder
from exporter.ingest.guard import Media
from exporter.send.envelopes import fields_of
from exporter.send.field_names import FieldNames

from .conftest import Read, Sender

DATA = {"system": "streampixel", "code": "4001", "labels": {"region": "eu"}}
CLOUDEVENT = {
    "specversion": "1.0",
    "id": "94",
    "source": "/signalling/eu",
    "type": "session.end",
    "time": "2026-11-20T19:00:00Z",
    "data": DATA,
}


def test_cloudevents_in_files_are_the_events_that_were_posted(sender: Sender) -> None:
    """Source and id are the same, so the exporter makes the same key: a posted event counts once."""
    untimed = {name: value for name, value in CLOUDEVENT.items() if name != "time"}
    for envelope in (CLOUDEVENT, untimed):
        line = json.dumps(envelope)
        for content in (line, f"[{line}]", json.dumps([envelope], indent=1)):
            sender.counted.clear()
            assert sender(sender.file("a.log", content)).accepted == 1
            decoder = Decoder(1000, 16)
            sent = decoder.decode(Media.CLOUDEVENT_BATCH, sender.server.body, {})
            posted = decoder.decode(Media.CLOUDEVENT, line.encode(), {})
            assert (sent.events, sent.sources) == (posted.events, posted.sources)


def test_cloudevents_and_plain_events_are_sent_apart(sender: Sender) -> None:
    plain = {"system": "softdrive", "id": "p"}
    lines = [CLOUDEVENT, CLOUDEVENT | {"id": "95"}, plain, CLOUDEVENT | {"id": "96"}]
    assert sender.lines("\n".join(map(json.dumps, lines))).accepted == 4
    assert sender.requests == [["94", "95"], ["p"], ["96"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, "Object missing required field `id`"),
        ({"data": [DATA]}, "data: must be an object, not an array"),
        ({"data": {**DATA, "Code": 1}}, "two keys mean `code`: 'Code' is the second"),
    ],
)
def test_invalid_cloudevent_is_skipped(change: dict[str, Any], message: str, read: Read) -> None:
    sent = read(json.dumps(CLOUDEVENT | change) + "\n" + json.dumps(CLOUDEVENT))
    assert (sent.lines, sent.skipped) == ([2], [f"1: {message}"])


def test_columns_are_mapped_in_the_data_of_a_cloudevent(read: Read) -> None:
    event = CLOUDEVENT | {"data": {"system": "a", "error_code": "1"}}
    [body] = read(json.dumps(event), columns={"code": "error_code"}).bodies
    assert body["data"]["code"] == "1"


EVENTS: list[Any] = [
    {"system": "softdrive", "code": 8, "id": "a"},
    {"System": "softdrive", "Code": 8, "Id": "b"},
]
KUSTO = {
    "name": "PrimaryResult",
    "columns": [{"name": name, "type": "string"} for name in ("System", "code", "id", "label_a")],
    "rows": [["softdrive", 8, "a", "x"], ["softdrive", 8, "b", None]],
}


@pytest.mark.parametrize(
    "document",
    [
        {"events": EVENTS},
        {"count": 2, "next": None, "meta": {"page": 1}, "Records": EVENTS, "total": 2},
        # Arrays without events do not count.
        {"items": [], "events": EVENTS},
        {"results": [], "next": None, "Events": EVENTS},
        {"session_id": "of the export", "events": EVENTS},
        {"tables": [KUSTO, {"name": "Statistics"}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_events_of_a_wrapped_export_are_read(
    document: dict[str, Any], indent: int | None, read: Read
) -> None:
    sent = read(json.dumps(document, indent=indent), "a.json")
    assert (sent.lines, sent.skipped) == ([1, 2], [])
    assert [body | {"labels": 0} for body in sent.bodies] == [
        {"system": "softdrive", "code": "8", "id": id_, "labels": 0} for id_ in "ab"
    ]


@pytest.mark.parametrize(
    "event",
    [
        '{"system": "a", "events": [1]}',
        '{"items": [1], "system": "a"}',
        '{"system": "a", "trace": [{"at": 1}]}',
        '{"system": "a", "value": 5}',
        '{"code": 1}',
    ],
)
def test_event_with_a_list_of_its_own_is_not_an_export(event: str, read: Read) -> None:
    """The events of an export have numbers instead of lines."""
    sent = read(f"{event}\n\n{event}\n")
    assert (sent.lines, sent.skipped) == ([1, 3], [])


def test_column_option_is_not_for_the_object_around_events(read: Read) -> None:
    content = json.dumps({"error_code": 0, "events": [{"system": "a", "code": 4001}]})
    message = "2: --column code=error_code: no record has this key"
    assert read(content, "a.json", columns={"code": "error_code"}).skipped == [message]


def test_column_option_may_be_for_a_table_among_events(read: Read) -> None:
    table = {"columns": [{"name": "system"}, {"name": "error_code"}], "rows": [["a", 1]]}
    content = json.dumps({"tables": [table]}) + '{"system": "a"}'
    assert read(content, "a.json", columns={"code": "error_code"}).skipped == []


def test_object_after_an_unusable_table_is_read(read: Read) -> None:
    content = json.dumps({"tables": [{"columns": [{"name": "system"}], "rows": []}]})
    sent = read(content + '{"system": "a"}', "a.json")
    assert (len(sent.events), len(sent.skipped)) == (1, 1)


def test_object_around_events_is_not_an_event_of_a_followed_file() -> None:
    for document in ({"events": []}, {"system": "a", "events": EVENTS}):
        assert isinstance(fields_of(document, FieldNames()), Rejected)
    event = {"system": "a", "code": None}
    assert fields_of(event | {"events": EVENTS}, FieldNames()) == event


def test_page_of_events_may_be_longer_than_an_event(read: Read) -> None:
    page = json.dumps({"next": "x", "events": [*EVENTS, {"note": "x" * 3_000_000}]})
    for name, content in (
        ("a.ndjson", f"{page}\n{page}\n"),
        ("a.log", f"{page}\n{page}"),
        ("a.json", page.replace(",", ",\n") + page),
    ):
        sent = read(content, name)
        assert (len(sent.events), sent.skipped) == (6, []), name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"items": [1], "events": [{"system": "a"}]}',
            "1: an event, or an object around the events in `items`? Write an event per line",
        ),
        (
            '{"system": "a", "items": [1], "events": [{"code": 1}]}',
            "1: an event, or an object around the events in `events`? Write an event per line",
        ),
        ('{"events": [{"events": [{"system": "a"}]}]}', "1: an object around events, where an"),
        ('{"events": [{"system": "a"}, 7]}', "2: an event must be a JSON object"),
        ('{"events": [{"system": "a"}]', "1: not JSON: Expecting ',' delimiter at character 29"),
        ('{"events": [{"system": "a", "system": "b"}]}', "1: duplicate key 'system'"),
        ('{"tables": [{"columns": 1}]}', "1: `tables` is not the result of a Kusto query"),
        ('{"tables": []}', "1: `tables` is not the result of a Kusto query"),
        (
            '{"tables": [{"columns": [{"name": "system"}, {"name": "code"}], "rows": {}}]}',
            "1: `tables` is not the result of a Kusto query",
        ),
        (
            '{"tables": [{"columns": [{"name": "system"}, {"name": "ErrorCode"}], "rows": []}]}',
            "1: the header has no column `code`; its columns are system, ErrorCode: --column",
        ),
        (
            '{"tables": [{"columns": [{"name": "system"}, {"name": "code"}], '
            '"rows": [[1], {"a": 1, "b": 2}]}]}',
            "2: a row is not an array of 2 values",
        ),
    ],
)
def test_invalid_export_says_why(content: str, message: str, read: Read) -> None:
    assert read(content, "a.json").skipped[-1].startswith(message)
