"""From a body to the reply and the counters, with a ledger in memory unless a test says otherwise."""

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import (
    REFUSED_REASONS,
    REJECTED_REASONS,
    LedgerUnavailable,
    QueueFull,
    Refused,
    ShuttingDown,
)
from exporter.ingest.media import Media
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.loader import load
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.listener import JSON, NDJSON, NOW, Listener, Stream

EVENT: dict[str, Any] = {"system": "softdrive", "code": "01", "id": "e-1"}
GOOD_GZIP = {**JSON, b"content-encoding": b"gzip"}


def keyless(**fields: Any) -> dict[str, Any]:
    return {"system": "softdrive", "code": "01", **fields}


# --- replies ----------------------------------------------------------------------------------------


def test_one_event_is_accepted(listener: Listener) -> None:
    answer = listener.send(EVENT)
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.body == b'{"accepted":1,"duplicates":0,"rejected":[]}'
    assert listener.value("accepted_events_total") == 1
    assert listener.value("requests_total", status="200") == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_event_sent_again_is_a_duplicate(listener: Listener, count: int) -> None:
    events = [{**EVENT, "id": f"e-{number}"} for number in range(count)]
    listener.send(*events)
    assert listener.send(*events).json == {"accepted": 0, "duplicates": count, "rejected": []}
    assert listener.value("accepted_events_total") == count
    assert listener.value("duplicate_events_total") == count


def test_an_event_twice_in_a_request_is_counted_once(listener: Listener) -> None:
    assert listener.send(EVENT, EVENT).json == {"accepted": 1, "duplicates": 1, "rejected": []}


def test_a_conflict_is_rejected_at_its_place_and_the_first_one_stands(listener: Listener) -> None:
    listener.send(EVENT)
    answer = listener.send(
        keyless(), {**EVENT, "code": "02"}, "x", {**EVENT, "id": "e-2"}, {"system": "nope"}, EVENT
    )
    assert answer.status == 200
    assert answer.json["accepted"] == 2
    assert answer.json["duplicates"] == 1
    assert answer.json["at_least_once"] == 1
    found = [(one["index"], one["reason"]) for one in answer.json["rejected"]]
    assert found == [(1, "conflict"), (2, "not_an_object"), (4, "unknown_system")]
    assert all(one["message"] for one in answer.json["rejected"])
    for reason in ("conflict", "not_an_object", "unknown_system"):
        assert listener.value("rejected_events_total", reason=reason) == 1
    assert listener.total("rejected_events_total") == 3


def test_a_conflict_alone_accepts_nothing_and_says_so(listener: Listener) -> None:
    listener.send(EVENT)
    answer = listener.send({**EVENT, "code": "02"})
    assert (answer.status, answer.json["accepted"], answer.json["duplicates"]) == (200, 0, 0)
    assert [one["reason"] for one in answer.json["rejected"]] == ["conflict"]


def test_the_reply_says_how_many_events_count_at_least_once(listener: Listener) -> None:
    assert listener.send(keyless()).json == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [],
        "at_least_once": 1,
    }
    assert listener.send(EVENT, keyless(), keyless()).json["at_least_once"] == 2
    assert listener.value("at_least_once_events_total") == 3


def test_session_and_time_are_a_key(listener: Listener) -> None:
    event = keyless(session_id="s", occurred_at=NOW.isoformat())
    assert "at_least_once" not in listener.send(event).json
    assert listener.send(event).json["duplicates"] == 1


def test_rejections_are_in_the_order_of_the_request(listener: Listener) -> None:
    answer = listener.send({"system": "nope"}, 5, {**EVENT, "id": ""}, [], EVENT)
    assert [one["index"] for one in answer.json["rejected"]] == [0, 1, 2, 3]


def test_nothing_valid_is_422_with_every_reason(listener: Listener) -> None:
    answer = listener.send({"system": "nope"}, 5)
    assert answer.status == 422
    assert [one["reason"] for one in answer.json["rejected"]] == ["unknown_system", "not_an_object"]
    assert answer.json["reason"] == "nothing_valid"
    assert not listener.memory.batches
    assert listener.value("refused_requests_total", reason="nothing_valid") == 1
    assert listener.total("rejected_events_total") == 2


def test_gzip_and_lines_and_pieces_count_alike(listener: Listener) -> None:
    text = json.dumps(EVENT).encode()
    assert listener.post(gzip.compress(text), GOOD_GZIP).json["accepted"] == 1
    assert listener.post(text + b"\r\n", NDJSON).json["duplicates"] == 1
    assert listener.post(Stream([text[:7], text[7:]])).json["duplicates"] == 1


def test_a_sender_that_leaves_gets_no_answer_and_counts_nowhere(listener: Listener) -> None:
    class Gone(Stream):
        async def receive(self) -> dict[str, Any]:
            return {"type": "http.disconnect"}

    assert listener.post(Gone([])).status == 0
    assert listener.total("requests_total") == 0
    assert listener.total("refused_requests_total") == 0


# --- Idempotency-Key --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k-1", '"k-1"', " k-1 ", ' "k-1"'])
def test_an_idempotency_key_is_the_id_of_a_single_event(listener: Listener, key: str) -> None:
    listener.send({**keyless(), "id": "k-1"})
    answer = listener.send(keyless(), idempotency_key=key)
    assert answer.json == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_an_id_is_stronger_than_the_idempotency_key(listener: Listener) -> None:
    listener.send(EVENT, idempotency_key="k")
    assert listener.send(EVENT, idempotency_key="other").json["duplicates"] == 1
    assert listener.send({**EVENT, "id": "k"}).json["accepted"] == 1


def test_it_also_stands_in_for_the_derived_key(listener: Listener) -> None:
    event = keyless(session_id="s", occurred_at=NOW.isoformat())
    assert listener.send(event, idempotency_key="a").json["accepted"] == 1
    assert listener.send(event, idempotency_key="b").json["accepted"] == 1


@pytest.mark.parametrize("events", [(keyless(), keyless()), (keyless(), 5), (5, keyless())])
def test_of_several_events_it_is_nobodys_id(
    listener: Listener, events: tuple[object, object]
) -> None:
    """Fails when valid events are counted instead of sent ones: a retry with one more would double."""
    answer = listener.send(*events, idempotency_key="k")
    assert answer.json["at_least_once"] == answer.json["accepted"]


def test_a_single_event_in_an_array_or_a_line_is_single(listener: Listener) -> None:
    headers = {b"idempotency-key": b"k"}
    text = json.dumps(keyless()).encode()
    assert listener.post(b"[" + text + b"]", {**JSON, **headers}).json["accepted"] == 1
    assert listener.post(b"\n" + text, {**NDJSON, **headers}).json["duplicates"] == 1


@pytest.mark.parametrize("key", [b"", b'""', b"k" * 129, b" "])
def test_the_rules_of_ids_hold_for_it(listener: Listener, key: bytes) -> None:
    answer = listener.post(json.dumps(keyless()).encode(), {**JSON, b"idempotency-key": key})
    assert answer.status == 422
    assert answer.json["rejected"][0]["message"].startswith("id: ")


def test_one_that_is_not_utf8_is_refused(listener: Listener) -> None:
    answer = listener.post(json.dumps(keyless()).encode(), {**JSON, b"idempotency-key": b"\xff"})
    assert (answer.status, answer.json["reason"]) == (400, "unparseable")


# --- every refusal and rejection has its counter ------------------------------------------------------

TOO_LARGE = b'{"system":"' + b"x" * 1024**2 + b'"}'
REFUSALS: list[tuple[str, int, bytes | Stream, dict[bytes, bytes], dict[str, str]]] = [
    ("unparseable", 400, b"{", JSON, {}),
    ("unparseable", 400, b"x", GOOD_GZIP, {}),
    ("not_found", 404, b"{}", JSON, {"path": "/v1/session-end"}),
    ("method_not_allowed", 405, b"", JSON, {"method": "GET"}),
    ("body_too_large", 413, TOO_LARGE, JSON, {}),
    ("body_too_large", 413, b"", {**JSON, b"content-length": b"9999999"}, {}),
    ("too_many_events", 413, b"[" + b"1," * 1000 + b"1]", JSON, {}),
    ("media_type", 415, b"{}", {}, {}),
    ("content_encoding", 415, b"{}", {**JSON, b"content-encoding": b"br"}, {}),
    ("nothing_valid", 422, b"[]", JSON, {}),
]


@pytest.mark.parametrize(("reason", "status", "body", "headers", "request_"), REFUSALS)
def test_a_refusal_counts_once_and_nothing_else_does(
    listener: Listener,
    reason: str,
    status: int,
    body: bytes,
    headers: dict[bytes, bytes],
    request_: dict[str, str],
) -> None:
    answer = listener.post(body, headers, **request_)
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert listener.value("refused_requests_total", reason=reason) == 1
    assert listener.total("refused_requests_total") == 1
    assert listener.value("requests_total", status=str(status)) == 1
    assert listener.logged[-1] == reason
    assert listener.total("accepted_events_total") == 0
    assert not listener.memory.batches


def test_a_body_that_stops_arriving_is_a_timeout(listener: Listener) -> None:
    answer = listener.post(Stream([b"{"], disconnects=True))
    assert (answer.status, answer.json["reason"]) == (408, "timeout")
    assert listener.value("refused_requests_total", reason="timeout") == 1


def cloudevent(**envelope: Any) -> tuple[bytes, dict[bytes, bytes]]:
    return json.dumps(envelope).encode(), {b"content-type": b"application/cloudevents+json"}


REJECTIONS: dict[str, tuple[bytes, dict[bytes, bytes]]] = {
    "invalid_json": (b'{\n{"system":"softdrive"}', NDJSON),
    "not_an_object": (b"5", JSON),
    "duplicate_key": (b'{"system":"softdrive","id":"a","id":"b"}', JSON),
    "too_deep": (b'{"system":"softdrive","x":' + b"[" * 40 + b"]" * 40 + b"}", JSON),
    "missing_system": (b"{}", JSON),
    "unknown_system": (b'{"system":"nope"}', JSON),
    "invalid_field": (b'{"system":"softdrive","phase":"x"}', JSON),
    "invalid_label": (b'{"system":"softdrive","labels":{"region":"\\n"}}', JSON),
    "invalid_cloudevent": cloudevent(id="x"),
    "clock_skew": (b'{"system":"softdrive","occurred_at":"2999-01-01T00:00:00Z"}', JSON),
}


def test_every_reason_of_a_rejection_is_tried() -> None:
    assert {*REJECTIONS, "conflict"} == set(REJECTED_REASONS)


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_rejection_counts_once_and_is_logged(listener: Listener, reason: str) -> None:
    answer = listener.post(*REJECTIONS[reason])
    assert answer.json["rejected"][0]["reason"] == reason
    assert listener.value("rejected_events_total", reason=reason) == 1
    assert listener.total("rejected_events_total") == 1
    assert listener.logged.count(reason) == 1


def test_all_reasons_are_there_at_0_from_the_start(listener: Listener) -> None:
    for reason in REJECTED_REASONS:
        assert listener.value("rejected_events_total", reason=reason) == 0
    for reason in REFUSED_REASONS:
        assert listener.value("refused_requests_total", reason=reason) == 0


# --- a ledger that can't ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [QueueFull("full", retry_after=2), LedgerUnavailable("disk"), ShuttingDown("bye")],
)
def test_when_the_ledger_cant_nothing_counts_and_a_retry_does(
    listener: Listener, refusal: Refused
) -> None:
    listener.memory.refusal = refusal
    answer = listener.send({**EVENT, "code": "05"}, keyless(), 5)
    assert (answer.status, answer.json["reason"]) == (503, refusal.reason)
    assert int(answer.headers[b"retry-after"]) == (refusal.retry_after or 1)
    for name in ("accepted", "duplicate", "rejected", "unknown_code", "at_least_once", "late"):
        assert listener.total(f"{name}_events_total") == 0
    assert listener.unknown.snapshot() == []
    assert listener.value("refused_requests_total", reason=refusal.reason) == 1
    listener.memory.refusal = None
    assert listener.send({**EVENT, "code": "05"}, keyless(), 5).json["accepted"] == 2


# --- what is noted of counted events ------------------------------------------------------------------


def test_unknown_codes_are_recorded_with_their_number(listener: Listener) -> None:
    """Fails when a kind is recorded once whatever its events: it was."""
    codes = ["05", "05", 17, "01", "05"]
    listener.send(*({**EVENT, "code": code, "id": str(at)} for at, code in enumerate(codes)))
    listener.send({"system": "streampixel", "code": "x"})
    assert listener.value("unknown_code_events_total", system="softdrive") == 4
    assert listener.value("unknown_code_events_total", system="streampixel") == 1
    found = {(one.system, one.code): one.count for one in listener.unknown.snapshot()}
    assert found == {("softdrive", "05"): 3, ("softdrive", "17"): 1, ("streampixel", "x"): 1}
    assert all(one.last_seen == NOW.timestamp() for one in listener.unknown.snapshot())


def test_capped_labels_are_counted_by_name(taxonomy: Taxonomy) -> None:
    listener = Listener(taxonomy, most=2)
    listener.send(*(keyless(labels={"region": f"r{n}", "project": "p"}) for n in range(5)))
    assert listener.value("capped_label_values_total", label="region") == 3
    assert listener.value("capped_label_values_total", label="project") == 0
    (batch,) = listener.memory.batches
    assert [one.labels[0] for one in batch.series] == ["r0", "r1", "other", "other", "other"]


def test_late_events_are_counted_and_interruptions_are_not_late(listener: Listener) -> None:
    old = "2026-11-20T10:00:00Z"
    listener.send(
        {**EVENT, "occurred_at": old},
        {**EVENT, "id": "e-2", "occurred_at": old, "final": False},
        {**EVENT, "id": "e-3"},
    )
    assert listener.value("late_events_total") == 1


def test_a_retry_is_not_noted_again(taxonomy: Taxonomy) -> None:
    """Fails when duplicates are noted: a retry storm would look like a vendor's new release."""
    listener = Listener(taxonomy, most=1)
    events = [
        {**EVENT, "id": f"{n}", "code": "05", "labels": {"region": f"r{n}"}, "occurred_at": old}
        for n, old in enumerate(["2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z"])
    ]
    listener.send(*events)
    before = listener.unknown.snapshot()
    noted = [
        listener.total(name)
        for name in ("unknown_code_events_total", "capped_label_values_total", "late_events_total")
    ]
    assert noted == [2, 1, 2]
    assert listener.send(*events, {**EVENT, "id": "2"}).json["duplicates"] == 2
    assert noted == [
        listener.total(name)
        for name in ("unknown_code_events_total", "capped_label_values_total", "late_events_total")
    ]
    assert listener.unknown.snapshot() == before


def test_the_delay_is_of_the_oldest_event_and_never_negative(listener: Listener) -> None:
    listener.send(
        {**EVENT, "occurred_at": "2026-11-20T18:59:00Z"}, {**EVENT, "occurred_at": NOW.isoformat()}
    )
    listener.send({**EVENT, "id": "e-2", "occurred_at": "2026-11-20T19:01:00Z"})
    listener.send({**EVENT, "id": "e-3"})
    assert listener.value("event_delay_seconds_count") == 2
    assert listener.value("event_delay_seconds_sum") == 60


# --- with the real ledger -----------------------------------------------------------------------------


def test_what_the_real_ledger_took_is_there_after_a_restart(
    taxonomy: Taxonomy, tmp_path: Path
) -> None:
    events = [{**EVENT, "id": f"e-{n}", "duration_seconds": n} for n in range(50)]
    body = json.dumps([*events, keyless(), {"system": "nope"}]).encode()

    async def story() -> tuple[Any, Any, int]:
        plan = Plan(tmp_path, label_names=("region", "project"))
        ledger = await SqliteLedger.open(plan)
        first = (await Listener(taxonomy, ledger).answer(body)).json
        await ledger.close()
        assert (await Listener(taxonomy, ledger).answer(body)).status == 503
        ledger = await SqliteLedger.open(plan)
        again = (await Listener(taxonomy, ledger).answer(body)).json
        total = sum(one.value for one in ledger.totals().series)
        await ledger.close()
        return first, again, total

    first, again, total = asyncio.run(story())
    assert (first["accepted"], first["duplicates"], first["at_least_once"]) == (51, 0, 1)
    assert (again["accepted"], again["duplicates"], again["at_least_once"]) == (1, 50, 1)
    assert total == 52


# --- hostile bodies -----------------------------------------------------------------------------------

TAXONOMY = load()
TYPES = (
    b"application/json",
    b"application/x-ndjson",
    b"application/cloudevents+json",
    b"application/cloudevents-batch+json",
)
headers = st.fixed_dictionaries(
    {b"content-type": st.sampled_from(TYPES)},
    optional={
        b"idempotency-key": st.binary(max_size=12),
        b"ce-id": st.one_of(st.just(b"x"), st.binary(max_size=12)),
        b"ce-source": st.one_of(st.just(b"x"), st.binary(max_size=12)),
        b"ce-type": st.just(b"x"),
        b"ce-specversion": st.sampled_from((b"1.0", b"1.0", b"%ff")),
        b"ce-time": st.sampled_from((b"0001-01-01T00:00:00%2B23:59", b"x")),
        b"content-encoding": st.sampled_from((b"identity", b"gzip")),
        b"content-length": st.sampled_from((b"9" * 5000, b"x", b"12")),
    },
)
times = st.one_of(
    st.datetimes().map(lambda one: one.isoformat() + "Z"),
    st.sampled_from(
        ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-23:59")
    ),
)


def never_a_defect(body: bytes, found: dict[bytes, bytes]) -> None:
    listener = Listener(TAXONOMY)
    answer = listener.post(body, found)
    assert answer.status in (200, 400, 413, 415, 422)
    if answer.status == 200:
        (batch,) = listener.memory.batches
        reply = answer.json
        assert reply["accepted"] + reply["duplicates"] + sum(
            one["reason"] == "conflict" for one in reply["rejected"]
        ) == len(batch)
        for series in batch.series:
            # What reaches the exposition can be written as UTF-8 and has no line ends.
            assert all(one.encode() and "\n" not in one for one in series.key[:6])
            assert all("\n" not in one.encode().decode() for one in series.labels)
    else:
        assert not listener.memory.batches
    assert listener.total("refused_requests_total") == (answer.status != 200)
    rejected = answer.json.get("rejected", [])
    assert listener.total("rejected_events_total") == len(rejected)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)), headers)
@settings(max_examples=150, deadline=None)
def test_no_bytes_are_a_defect(body: bytes, found: dict[bytes, bytes]) -> None:
    never_a_defect(body, found)


def enveloped(event: Any, time: str, encoded: bool) -> Pairs:
    fields: tuple[tuple[str, Any], ...] = (
        ("id", "x"),
        ("source", "/s"),
        ("type", "t"),
        ("specversion", "1.0"),
        ("time", time),
    )
    if encoded:
        text = bodies.write(event, Random(0)).encode()
        return Pairs((*fields, ("data_base64", base64.b64encode(text).decode())))
    return Pairs((*fields, ("data", event)))


@given(
    st.lists(bodies.odd_events(), min_size=1, max_size=3),
    times,
    st.sampled_from((None, False, True)),
    st.integers(0, 2**32).map(Random),
    headers,
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_json_is_a_defect(
    values: list[Any], time: str, encoded: bool | None, rnd: Any, found: dict[bytes, bytes]
) -> None:
    # A key that is there already makes it a duplicate, which is one of the cases.
    timed = [
        Pairs((*one.pairs, ("occurred_at", time))) if isinstance(one, Pairs) else one
        for one in values
    ]
    if encoded is not None:
        timed = [enveloped(one, time, encoded) for one in timed]
    media = Media.NDJSON if found[b"content-type"].endswith(b"x-ndjson") else Media.JSON
    body = bodies.body(media, timed, rnd)
    if found.get(b"content-encoding") == b"gzip":
        body = gzip.compress(body)
    never_a_defect(
        body, {name: value for name, value in found.items() if name != b"content-length"}
    )


HOSTILE: dict[str, Callable[[], bytes]] = {
    "labels of surrogates": lambda: b'{"system":"softdrive","labels":{"region":"\\ud800"}}',
    "a key of a surrogate": lambda: b'{"system":"softdrive","\\ud800":1,"\\ud800":2}',
    "a system of a surrogate": lambda: b'{"system":"\\ud800"}',
    "a phase of a surrogate": lambda: b'{"system":"softdrive","phase":"\\ud800"}',
    "a time of a surrogate": lambda: b'{"system":"softdrive","occurred_at":"\\ud800"}',
    "a very long integer": lambda: b'{"system":"softdrive","code":' + b"9" * 100_000 + b"}",
    "deep arrays": lambda: b"[" * 500_000,
    "deep objects": lambda: b'{"a":' * 150_000,
    "deep labels": lambda: b'{"system":"softdrive","labels":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    "many empty objects": lambda: b"[" + b"{}," * 300_000 + b"{}]",
    "many keys": lambda: json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("content_type", TYPES)
def test_hostile_json_is_refused_and_no_defect(name: str, content_type: bytes) -> None:
    never_a_defect(HOSTILE[name](), {b"content-type": content_type})


def test_a_single_event_passes_between_large_bodies(listener: Listener) -> None:
    """Fails without the lock around large bodies: all of them are then understood in one turn of the
    loop, and whatever came meanwhile waits for all."""
    large = json.dumps([{**EVENT, "id": f"{'x' * 100}{number}"} for number in range(500)]).encode()
    single = json.dumps({**EVENT, "id": "single"}).encode()

    async def late() -> None:
        await asyncio.sleep(0)
        await listener.answer(single)

    async def all_at_once() -> None:
        await asyncio.gather(*(listener.answer(large) for _ in range(6)), late())

    asyncio.run(all_at_once())
    sizes = [len(batch) for batch in listener.memory.batches]
    assert sorted(sizes) == [1, *[500] * 6]
    assert sizes.index(1) <= 2
