"""From a body to the answer and the counters, with a ledger in memory."""

import asyncio
import json
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable, QueueFull, Refused, ShuttingDown
from exporter.ingest.guard import LARGE
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import EVENT, JSON, NDJSON, NOW, Listener, Stream, keyless

OLD = "2026-11-20T10:00:00Z"


# --- answers --------------------------------------------------------------------------------------


def test_one_event_is_accepted(listener: Listener) -> None:
    answer = listener.send(EVENT)
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"application/json"
    assert answer.body == b'{"accepted":1,"duplicates":0,"rejected":[]}'
    assert listener.value("accepted_events_total") == 1
    assert listener.value("requests_total", status="200") == 1


@pytest.mark.parametrize("count", [1, 2])
def test_event_sent_again_is_a_duplicate(listener: Listener, count: int) -> None:
    events = [{**EVENT, "id": f"e-{number}"} for number in range(count)]
    listener.send(*events)
    assert listener.send(*events).json == {"accepted": 0, "duplicates": count, "rejected": []}
    assert listener.value("accepted_events_total") == count
    assert listener.value("duplicate_events_total") == count
    assert listener.send(keyless(id="x"), keyless(id="x")).json["duplicates"] == 1


def test_conflict_is_rejected_at_its_place_and_first_event_stands(listener: Listener) -> None:
    listener.send(EVENT)
    answer = listener.send(
        keyless(), {**EVENT, "code": "02"}, "x", {**EVENT, "id": "e-2"}, {"system": "nope"}, EVENT
    )
    assert answer.status == 200
    assert answer.json["accepted"] == 2
    assert answer.json["duplicates"] == 1
    assert answer.json["at_least_once"] == 1
    rejected = answer.json["rejected"]
    assert [(each["index"], each["reason"]) for each in rejected] == [
        (1, "conflict"),
        (2, "not_an_object"),
        (4, "unknown_system"),
    ]
    assert (
        rejected[0]["message"] == "id: already counted with other content; the first event stands"
    )
    assert listener.value("rejected_events_total", reason="conflict") == 1
    assert listener.total("rejected_events_total") == 3
    alone = listener.send({**EVENT, "code": "02"})
    assert (alone.status, alone.json["accepted"], alone.json["duplicates"]) == (200, 0, 0)


def test_answer_has_the_number_of_events_without_a_key(listener: Listener) -> None:
    assert listener.send(keyless()).json == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [],
        "at_least_once": 1,
    }
    event = keyless(session_id="s", occurred_at=NOW.isoformat())
    assert listener.send(event, keyless(), keyless()).json["at_least_once"] == 2
    assert listener.send(event).json["duplicates"] == 1
    assert listener.value("at_least_once_events_total") == 3
    for _ in range(2):
        placeholder = listener.send({**EVENT, "id": "undefined"}).json
        assert (placeholder["accepted"], placeholder["at_least_once"]) == (1, 1)


def test_nothing_valid_is_422_with_every_reason_in_order(listener: Listener) -> None:
    answer = listener.send({"system": "nope"}, 5, {**EVENT, "phase": "x"})
    assert (answer.status, answer.json["reason"]) == (422, "nothing_valid")
    assert answer.json["detail"] == (
        "none of 3 events is valid; event 0: system: 'nope' is not loaded; loaded are softdrive, "
        "streampixel"
    )
    assert [(each["index"], each["reason"]) for each in answer.json["rejected"]] == [
        (0, "unknown_system"),
        (1, "not_an_object"),
        (2, "invalid_field"),
    ]
    assert not listener.memory.batches
    assert listener.total("rejected_events_total") == 3


def test_sender_that_leaves_gets_no_answer_and_is_not_counted(listener: Listener) -> None:
    assert listener.post(Stream([])).status == 0
    assert listener.total("requests_total") == 0
    assert listener.total("refused_requests_total") == 0


def test_single_event_passes_between_large_bodies(listener: Listener) -> None:
    """Fails without the lock around decoding: the event loop decoded all large bodies in one iteration, and a
    single event waited for all of them."""
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


# --- Idempotency-Key ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k-1", '"k-1"', ' "k-1"'])
def test_idempotency_key_is_the_id_of_a_single_event(listener: Listener, key: str) -> None:
    listener.send(keyless(id="k-1"))
    answer = listener.send(keyless(), idempotency_key=key)
    assert answer.json == {"accepted": 0, "duplicates": 1, "rejected": []}
    text = json.dumps(keyless()).encode()
    headers = {b"idempotency-key": key.encode()}
    assert listener.post(b"[" + text + b"]", {**JSON, **headers}).json["duplicates"] == 1
    assert listener.post(b"\n" + text, {**NDJSON, **headers}).json["duplicates"] == 1
    large = b"[" + text + b" " * LARGE + b"]"
    assert listener.post(large, {**JSON, **headers}).json["duplicates"] == 1


def test_id_precedes_idempotency_key_which_precedes_derived_key(listener: Listener) -> None:
    listener.send(EVENT, idempotency_key="k")
    assert listener.send(EVENT, idempotency_key="other").json["duplicates"] == 1
    event = keyless(session_id="s", occurred_at=NOW.isoformat())
    assert listener.send({**event, "id": "null"}, idempotency_key="k").json["accepted"] == 1
    assert listener.send(event, idempotency_key="k").json["duplicates"] == 1
    assert listener.send(event, idempotency_key="b").json["accepted"] == 1


@pytest.mark.parametrize("events", [(keyless(), keyless()), (keyless(), 5), (5, keyless())])
def test_idempotency_key_is_ignored_for_several_events(
    listener: Listener, events: tuple[object, object]
) -> None:
    """Fails when only valid events decide whether an event is single: a corrected retry would count twice."""
    answer = listener.send(*events, idempotency_key="k")
    assert answer.json["at_least_once"] == answer.json["accepted"]


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        *((key, 422, "id: must be 1 to 128 bytes") for key in (b"", b'""', b"k" * 129, b" ")),
        (b"\xff", 400, "Idempotency-Key: is not UTF-8"),
    ],
)
def test_idempotency_key_obeys_the_rules_of_ids(
    listener: Listener, key: bytes, status: int, message: str
) -> None:
    answer = listener.post(json.dumps(keyless()).encode(), {**JSON, b"idempotency-key": key})
    assert answer.status == status
    assert answer.json["detail"].endswith(message)


# --- metrics --------------------------------------------------------------------------------------


def test_unknown_codes_are_recorded_with_their_counts(listener: Listener) -> None:
    """Fails when a resolved code is recorded once for all of its events."""
    codes = ["05", "05", 17, "01", "05"]
    listener.send(*({**EVENT, "code": code, "id": str(at)} for at, code in enumerate(codes)))
    listener.send({"system": "streampixel", "code": "x"})
    assert listener.value("unknown_code_events_total", system="softdrive") == 4
    assert listener.value("unknown_code_events_total", system="streampixel") == 1
    recorded = {(each.system, each.code, each.count) for each in listener.unknown.snapshot()}
    assert recorded == {("softdrive", "05", 3), ("softdrive", "17", 1), ("streampixel", "x", 1)}
    assert all(each.last_seen == NOW.timestamp() for each in listener.unknown.snapshot())


def test_answer_has_the_most_frequent_unknown_codes(listener: Listener) -> None:
    """The answer to a retry has the unknown codes too: the first answer may have been lost."""
    codes = ["05", "05", "01", *(f"x{number}" for number in range(20))]
    events = [{**EVENT, "code": code, "id": str(at)} for at, code in enumerate(codes)]
    warned = {"05": 2} | {f"x{number}": 1 for number in range(9)}
    for _ in range(2):
        assert listener.send(*events).json["warnings"] == {"unknown_codes": warned}
    answer = listener.send({**EVENT, "code": "y" * 500, "id": "long"})
    assert answer.json["warnings"] == {"unknown_codes": {"y" * 128: 1}}


def test_answer_has_the_number_of_late_ends_and_the_oldest_time(listener: Listener) -> None:
    """Fails without the warning: times in 1970 were counted, and no alert and no answer showed them."""
    events = [
        {**EVENT, "id": f"{place}", "occurred_at": time}
        for place, time in enumerate((OLD, "0001-01-02T00:00:00Z", NOW.isoformat()))
    ]
    late = {"events": 2, "oldest": "0001-01-02T00:00:00Z"}
    assert [listener.send(*events).json["warnings"] for _ in range(2)] == [{"late": late}] * 2
    assert listener.send({**events[0], "id": "x"}).json["warnings"] == {
        "late": {"events": 1, "oldest": OLD}
    }
    assert "warnings" not in listener.send({**events[0], "id": "y", "final": False}).json


def test_capped_labels_are_counted_by_name(taxonomy: Taxonomy) -> None:
    listener = Listener(taxonomy, max_values=2)
    listener.send(*(keyless(labels={"region": f"r{n}", "project": "p"}) for n in range(5)))
    assert listener.value("capped_label_values_total", label="region") == 3
    assert listener.value("capped_label_values_total", label="project") == 0
    (batch,) = listener.memory.batches
    assert [series.labels[0] for series in batch.series] == ["r0", "r1", "other", "other", "other"]


@pytest.mark.parametrize(
    "fault",
    [
        {"system": "nope"},
        {"phase": "x"},
        {"id": "x" * 129},
        {"duration_seconds": -1},
        {"occurred_at": "2026-11-20T20:00:00Z"},
        {"occurred_at": "0001-01-01T00:00:00Z"},
    ],
    ids=lambda fault: next(iter(fault)),
)
@pytest.mark.parametrize("valid", [0, 1])
def test_label_values_of_rejected_events_do_not_count_toward_the_bound(
    taxonomy: Taxonomy, fault: dict[str, Any], valid: int
) -> None:
    """Fails when a value is admitted before the whole event is checked: one request whose events are all
    rejected made every later region `other`."""
    listener = Listener(taxonomy, max_values=3)
    rejected = [keyless(labels={"region": f"r{n}"}, **fault) for n in range(9)]
    listener.send(*rejected[:5], *[keyless(labels={"region": "eu"})] * valid, *rejected[5:])
    listener.send(rejected[0])
    for region in ("eu", "us", "asia", "mars"):
        listener.send(keyless(labels={"region": region}))
    regions = [series.labels[0] for batch in listener.memory.batches for series in batch.series]
    assert regions == ["eu"] * valid + ["eu", "us", "asia", "other"]


def test_duplicates_are_not_recorded_again(taxonomy: Taxonomy) -> None:
    """Fails when duplicates are recorded: a retry storm would look like new codes from the vendor."""
    listener = Listener(taxonomy, max_values=1)
    events = [
        {**EVENT, "id": f"{n}", "code": "05", "labels": {"region": f"r{n}"}, "occurred_at": OLD}
        for n in range(2)
    ]

    def recorded() -> tuple[Any, ...]:
        names = ("unknown_code_events_total", "capped_label_values_total", "late_events_total")
        return (*map(listener.total, names), *listener.unknown.snapshot())

    listener.send(*events)
    before = recorded()
    assert before[:3] == (2, 1, 2)
    assert listener.send(*events, {**EVENT, "id": "2"}).json["duplicates"] == 2
    assert recorded() == before
    listener.send(*events, {**events[0], "id": "3"})
    assert recorded()[:3] == (3, 1, 3)


def test_delay_is_that_of_the_oldest_event_and_never_negative(listener: Listener) -> None:
    listener.send(
        {**EVENT, "occurred_at": "2026-11-20T18:59:00Z"}, {**EVENT, "occurred_at": NOW.isoformat()}
    )
    listener.send({**EVENT, "id": "e-2", "occurred_at": "2026-11-20T19:01:00Z"})
    listener.send({**EVENT, "id": "e-3"})
    assert listener.value("event_delay_seconds_count") == 2
    assert listener.value("event_delay_seconds_sum") == 60


# --- ledger ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal", [QueueFull("full", retry_after=2), LedgerUnavailable("disk"), ShuttingDown("bye")]
)
def test_unavailable_ledger_is_503_and_a_retry_counts(listener: Listener, refusal: Refused) -> None:
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
