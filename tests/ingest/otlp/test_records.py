"""Log records to events: which records are session ends, and which attribute is which field."""

import tracemalloc
from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from exporter.errors import IGNORED_REASONS, TooManyEvents
from exporter.ingest.event import Columns, Decoded
from exporter.ingest.otlp import json_form, protobuf_form
from exporter.ingest.otlp.attributes import Attributes
from exporter.ingest.otlp.records import Records
from tests.ingest.listener import NOW
from tests.ingest.otlp.messages import END, TIME, as_json, record, request


def records(*mapped: str, labels: tuple[str, ...] = (), strict: bool = False) -> Records:
    return Records(Attributes(labels, mapped), frozenset({"session.end"}), 1000, strict)


def comparable(decoded: Decoded) -> Columns:
    """The events; an id that is a hash of the content depends on the form of the request."""
    ids = ("otlp" if (id_ or "").startswith("otlp:") else id_ for id_ in decoded.events.id)
    return decoded.events._replace(id=tuple(ids))


def decode(*given: LogRecord, by: Records | None = None, **outer: Any) -> Decoded:
    """The records decoded from protobuf, which must be the same as from JSON."""
    by = by or records()
    message = request(*given, **outer)
    decoded, ignored = by.decode(message, protobuf_form.encode)
    parsed = json_form.parse(json_form.encode(as_json(message)))
    from_json, ignored_json = by.decode(parsed, json_form.encode)
    # A code may be the text of its number; it resolves to the same code.
    assert comparable(from_json) == comparable(decoded)
    assert (ignored_json, from_json.rejected) == (ignored, decoded.rejected)
    return decoded


def only(**fields: Any) -> dict[str, Any]:
    return {"system": "streampixel", "code": 4001, "occurred_at": NOW, **fields}


def event(decoded: Decoded) -> dict[str, Any]:
    """The only event's fields that are set."""
    columns = decoded.events._asdict()
    return {name: column[0] for name, column in columns.items() if column[0] not in (None, b"")}


# --- fields -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "layers", "expected"),
    [
        ({"duration_seconds": 12, "final": False}, {}, {"duration_seconds": 12.0, "final": False}),
        ({"phase": "connect", "thread.name": "main"}, {}, {"phase": "connect"}),
        ({"system": None}, {"resource": {"service.name": "softdrive"}}, {"system": "softdrive"}),
        *(({name: "s"}, {}, {"session_id": "s"}) for name in ("session.id", "sessionId")),
        *(({name: "s"}, {}, {"session_id": "s"}) for name in ("session_id", "Session ID")),
        *(({name: "u"}, {}, {"user": "u"}) for name in ("user", "user.id", "enduser.id")),
        ({"id": 7, "session.id": -8.0}, {}, {"id": "7", "session_id": "-8"}),
        ({"user.id": 2**63 - 1}, {}, {"user": "9223372036854775807"}),
        # The first attribute by convention wins, in any order.
        ({"log.record.uid": "u", "id": "i"}, {}, {"id": "u"}),
        ({"id": "i", "log.record.uid": "u"}, {}, {"id": "u"}),
        ({"service.name": "softdrive"}, {}, {"system": "streampixel"}),
        # A record wins over its body, scope and resource.
        (
            {"code": 1},
            {"body": {"code": 2}, "scope": {"code": 3}, "resource": {"code": 4}},
            {"code": 1},
        ),
        ({"code": None}, {"body": {"code": 2}, "scope": {"code": 3}}, {"code": 2}),
        ({"code": None}, {"scope": {"code": 3}, "resource": {"code": 4}}, {"code": 3}),
        ({"code": None}, {"resource": {"code": 4}}, {"code": 4}),
        # Only the first attributes are read: a body of 1 MB can contain half a million.
        ({**{f"a{n}": n for n in range(200)}, "session.id": "s"}, {}, {}),
        # Lenient forms of values.
        ({"code": 4001.0, "labels": "", "phase": "", "session.id": AnyValue()}, {}, {}),
        ({"occurred_at": "2026-11-20T20:00:00+01:00", "final": True}, {"time": 0}, {"final": True}),
    ],
    ids=lambda fields: ",".join([*fields][-3:]),
)
def test_attributes_are_fields(
    attributes: dict[str, Any], layers: dict[str, Any], expected: dict[str, Any]
) -> None:
    present = {name: value for name, value in (END | attributes).items() if value is not None}
    given = record(present, body=layers.get("body", "text"), time=layers.get("time", TIME))
    decoded = decode(given, scope=layers.get("scope"), resource=layers.get("resource"))
    decoded.events = comparable(decoded)
    assert {"id": "otlp"} | event(decoded) == {"id": "otlp"} | only(**expected)


def test_id_user_and_phase_of_a_resource_or_scope_are_not_those_of_its_records() -> None:
    """Fails when they are: all records of a resource would be duplicates, repeats, or rejected."""
    given = (record(), record(time=TIME + 1))
    outer = {"id": "r", "user.id": "u", "phase": "production"}
    decoded = decode(*given, resource=outer, scope=outer)
    assert len(set(decoded.events.id)) == 2
    assert set(decoded.events.user) == set(decoded.events.phase) == {None}


def test_mapped_attribute_replaces_the_default() -> None:
    by = records("code=app.status", "code=app.code", "event=kind", "id=offset", labels=("region",))
    attributes = {"system": "softdrive", "code": "no", "app_code": "08", "kind": "session.end"}
    decoded = decode(record({**attributes, "offset": "7"}, name=""), by=by)
    assert event(decoded) == only(system="softdrive", code="08", id="7")


def test_configured_labels_are_attributes_of_any_layer() -> None:
    by = records("labels.region=cloud.region", labels=("region", "project_name"))
    given = record({**END, "project.name": "kiosk", "region": "no"})
    decoded = decode(given, by=by, resource={"cloud.region": "eu"})
    assert event(decoded)["labels"] == b'{"region":"eu","project_name":"kiosk"}'
    for attributes in ({"labels.region": "eu"}, {"Labels.Region": "no", "region": "eu"}):
        decoded = decode(record(END | attributes), by=records(labels=("region",)))
        assert event(decoded)["labels"] == b'{"region":"eu"}'


def test_names_of_attributes_that_are_remembered_are_bounded() -> None:
    """Fails without the bounds: senders choose the names."""
    attributes = Attributes()
    for number in range(10_001):
        assert attributes[str(number)] is None
    assert len(attributes) <= 10_000
    assert attributes["x" * 257] is None
    assert "x" * 257 not in attributes


# --- session ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "name", "reason"),
    [
        (END, "session.end", None),
        ({**END, "event.name": "session.end"}, "", None),
        ({**END, "event.name": "session.start"}, "session.end", None),
        ({**END, "event.name": "session.start"}, "", "other_event"),
        ({**END, "event.name": "session.end"}, "session.start", "other_event"),
        ({**END, "event.name": 5}, "", "other_event"),
        (END, "", "no_event_name"),
    ],
)
def test_event_name_decides_whether_a_record_is_a_session_end(
    attributes: dict[str, Any], name: str, reason: str | None
) -> None:
    given = request(record(attributes, name=name))
    decoded, ignored = records().decode(given, protobuf_form.encode)
    assert decoded.total == (reason is None)
    assert ignored == Counter([reason] if reason else [])
    assert set(ignored) <= set(IGNORED_REASONS)


def test_place_of_a_rejection_counts_ignored_records() -> None:
    given = (record(name="x"), record({"code": 1}), record(), record({**END, "final": "no"}))
    unknown = record({"system": "streampixel", "error_code": 1})
    decoded = decode(*given, unknown, by=records(strict=True))
    assert decoded.places == [2]
    assert [(each.index, each.reason) for each in decoded.rejected] == [
        (1, "missing_system"),
        (3, "invalid_field"),
        (4, "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"code": [1]}, "code: must be an integer or a string, not an array"),
        ({"id": True}, "id: must be a string, not true or false"),
        (
            {"duration_seconds": float("nan")},
            "duration_seconds: must be a number, not an array",
        ),
        ({"occurred_at": "today"}, "occurred_at: Invalid RFC3339 encoded datetime"),
    ],
)
def test_attribute_of_another_type_is_rejected(attributes: dict[str, Any], message: str) -> None:
    """Fails without the check of NaN, which passes every comparison and would make a sum NaN permanently."""
    decoded = decode(record({**END, **attributes}))
    assert decoded.rejected[0].message.startswith(message)


def test_time_after_the_last_year_is_rejected() -> None:
    body = json_form.encode(as_json(request(record())))
    late = body.replace(str(TIME).encode(), b"9" * 21)
    decoded, _ = records().decode(json_form.parse(late), json_form.encode)
    assert [each.reason for each in decoded.rejected] == ["invalid_field"]
    odd = json_form.parse(body.replace(str(TIME).encode(), b"9" * 20))
    assert records().decode(odd, json_form.encode)[0].total == 1


@pytest.mark.parametrize("kind", ["records", "scopes", "resources"])
def test_messages_of_a_request_are_limited(kind: str) -> None:
    """Fails without the limit: an empty message has only two bytes."""
    message = request(*[record()] * 1000)
    records().decode(message, protobuf_form.encode)
    logs = message.resource_logs
    for _ in range(1 if kind == "records" else 1000):
        if kind == "resources":
            logs.add()
        elif kind == "scopes":
            logs[0].scope_logs.add()
        else:
            logs[0].scope_logs[0].log_records.append(record())
    with pytest.raises(TooManyEvents):
        records().decode(message, protobuf_form.encode)


def test_messages_are_counted_before_they_take_memory() -> None:
    """Fails when scopes are counted as Python objects: 1 MB of empty scopes took 270 MB."""
    message = request()
    message.resource_logs[0].MergeFromString(b"\x12\x00" * 100_000)
    tracemalloc.start()
    with pytest.raises(TooManyEvents):
        records().decode(message, protobuf_form.encode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024**2


# --- ids --------------------------------------------------------------------------------------------


def test_id_of_a_record_without_one_is_its_content() -> None:
    """Fails when the id depends on the order of attributes or the time of receipt: a program that reads a
    line again changes both."""

    def id_of(a: str = "1", x: int = 1, *, time: int = TIME, host: str = "h", **outer: Any) -> Any:
        given = record({**END, "a": a}, body={"x": x, "y": 2}, time=time)
        return event(decode(given, resource={"host": host}, **outer))["id"]

    first = id_of()
    again = record({"a": "1", **END}, body={"y": 2, "x": 1}, observed_time_unix_nano=5)
    assert event(decode(again, resource={"host": "h"}))["id"] == first
    assert len(first) == len("otlp:") + 32
    others = [id_of("2"), id_of(x=3), id_of(time=TIME + 1), id_of(host="i"), id_of(scope={"h": 1})]
    assert len({first, *others}) == 6


@pytest.mark.parametrize("more", [{}, {f"a{number}": number for number in range(200)}])
def test_event_name_is_part_of_the_id_and_the_observed_time_is_not(more: dict[str, Any]) -> None:
    """Fails when the id omits the name: the second end would be lost as a duplicate of the first."""
    by = Records(Attributes(), frozenset({"session.end", "session.failed"}), 1000)
    attributes = END | more
    decoded = decode(
        record(attributes),
        record(attributes, observed_time_unix_nano=5),
        record(attributes, name="session.failed"),
        record(attributes | {"more": 1}),
        by=by,
    )
    first, again, failed, other = decoded.events.id
    assert first == again
    assert len({first, failed, other}) == 3


def encodings(*given: LogRecord, **outer: Any) -> int:
    """The number of messages encoded while the records, half of them in each of two scopes, are decoded."""
    message = request(*given[::2], **outer)
    message.resource_logs[0].scope_logs.add().log_records.extend(given[1::2])
    encoded = []

    def encode(part: Any) -> bytes:
        encoded.append(part)
        return protobuf_form.encode(part)

    records().decode(message, encode)
    return len(encoded)


def test_ids_encode_resource_and_scope_once_and_only_for_records_that_need_them() -> None:
    """Fails when each record encodes both: a resource of 4,000 attributes took 0.8 s for 300 records."""
    given = [record({**END, "session.id": "s"}, time=TIME + n) for n in range(4)]
    outer = {"resource": {f"r{n}": n for n in range(20)}, "scope": {f"s{n}": n for n in range(10)}}
    assert encodings(*given, **outer) == 0
    given = [record(time=TIME + n) for n in range(4)]
    own = encodings(*given)
    assert encodings(*given, **outer) == own + 20 + 10


def test_id_of_many_attributes_takes_one_encoding() -> None:
    """Fails when the attributes are sorted: half a million took 0.3 s."""
    many = {f"a{number}": number for number in range(200)}
    assert encodings(record(END | many)) == 1
    assert encodings(record(body=many)) == 1
    assert encodings(record(END | many), resource=many, scope=many) == 3


def test_session_and_time_are_the_key_without_an_id() -> None:
    decoded = decode(record({**END, "session.id": "s-1"}))
    assert event(decoded) == only(session_id="s-1")
    for absent in ({"session.id": ""}, {"id": "null", "session.id": "undefined"}):
        given = event(decode(record({**END, **absent})))
        assert given["id"].startswith("otlp:")
        assert "session_id" not in given


def test_record_without_id_and_time_has_no_key() -> None:
    """Fails when such a record gets its content as id: equal ends without a time would count once."""
    assert event(decode(record(time=0))) == END


# --- warnings ---------------------------------------------------------------------------------------


def ignored_names(*given: LogRecord) -> dict[str, str | None]:
    decoded = decode(*given)
    assert decoded.rejected == []
    assert decoded.ignored is not None
    return decoded.ignored.names


def test_attribute_that_is_read_is_not_ignored() -> None:
    """Fails when only the name decides: a label with the name `error` would be called ignored."""
    by = records("labels.cause=Reason", labels=("cause", "error"))
    given = record({"system": "streampixel", "reason": "x", "error": "y"}, body="")
    decoded = decode(given, by=by)
    assert decoded.ignored is not None
    assert decoded.ignored.names == {}


def test_end_without_code_names_an_attribute_near_it_and_json() -> None:
    """Fails without each of them: a failure was counted as a normal end, and nothing said so."""
    attributes = {"system": "streampixel", "errorcode": 4001, "code.function.name": "f"}
    given = record(attributes, body='{"code":4001}')
    others = record({**END, "errorCode": 1, "reason": "x"})
    assert ignored_names(given, others) == {"errorcode": "code", "body": None}
    in_body = record({"system": "streampixel"}, body={"errorCode": 1})
    assert ignored_names(in_body) == {"errorCode": "code"}
    for name in ("Reason", "error", "error.type", "exception_type"):
        given = record({"system": "streampixel", name: "Worker Node Unavailable"}, body="")
        assert ignored_names(given) == {name: None}
    strict = decode(given, by=records(strict=True))
    assert [each.reason for each in strict.rejected] == ["unknown_field"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"http.response.status_code": 200, "code.line.number": 7},
        {"code": "", "Code": ""},
        {"error_code": ""},
        {"error": False, "exit_code": 0},
    ],
    ids=["unrelated", "two empty codes", "empty", "no error"],
)
def test_normal_end_has_no_warning(attributes: dict[str, Any]) -> None:
    """Fails when an empty or unrelated attribute counts as a code, or two empty attributes as a duplicate."""
    given = record({"system": "streampixel", **attributes}, body="the session ended")
    assert ignored_names(given) == {}


def test_search_for_names_near_code_is_bounded() -> None:
    """Fails without the bound: a comparison takes 50 µs, and senders choose the names."""
    names = [f"{number}_code" for number in range(1000)]
    given = [record({"system": "streampixel", name: 1}, body="") for name in names]
    decoded = decode(*given)
    assert decoded.ignored is not None
    assert 0 < decoded.ignored.count <= 100
