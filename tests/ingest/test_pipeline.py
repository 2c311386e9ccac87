"""From a body to the reply and the counters, with a ledger in memory unless a test says otherwise."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import (
    LedgerUnavailable,
    QueueFull,
    Refused,
    ShuttingDown,
)
from exporter.ledger.recovery import Plan
from exporter.ledger.sqlite import SqliteLedger
from exporter.taxonomy import Taxonomy
from tests.ingest.events import EVENT, GOOD_GZIP, keyless
from tests.ingest.listener import NDJSON, NOW, Listener, Stream

# --- replies --------------------------------------------------------------------------------------


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


# --- a ledger that can't --------------------------------------------------------------------------


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


# --- with the real ledger -------------------------------------------------------------------------


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
