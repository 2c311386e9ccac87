"""Session ends without an ASGI task: the same answers, batches, metrics and log lines as with a task."""

import asyncio
import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import LedgerUnavailable, Refused
from exporter.ledger.contract import Answered, Batch
from exporter.names import INGEST_PATH
from exporter.taxonomy import Taxonomy
from exporter.tokens import Authenticator
from tests.ingest.listener import JSON, NDJSON, Answer, Listener
from tests.ingest.memory_ledger import MemoryLedger

TOKEN = "a-token-of-a-sender"
BEARER = {b"authorization": b"Bearer " + TOKEN.encode()}
CLOUDEVENT = {
    **{b"ce-specversion": b"1.0", b"ce-id": b"c-1", b"ce-source": b"/s", b"ce-type": b"end"},
}

ids = st.sampled_from(["a", "b", "é", "", "x" * 129]) | st.none()
times = st.sampled_from(
    ["2026-11-20T18:59:59Z", "2026-11-20T18:00:00Z", "2026-11-20T20:00:00Z", "yesterday"]
)
fields = {
    "id": ids,
    "code": st.sampled_from(["01", 1, 0, "4001", "", "nonsense", True, 1.0]),
    "session_id": st.sampled_from(["s-1", "", "x" * 200, 7]),
    "occurred_at": times,
    "duration_seconds": st.sampled_from([0, 12.5, -1, 1e12, "1"]),
    "phase": st.sampled_from(["connect", "elsewhere"]),
    "final": st.booleans() | st.just("no"),
    "user": st.sampled_from(["u-1", "u" * 300]),
    "labels": st.sampled_from(
        [{}, {"region": "eu"}, {"region": "é", "other": "x"}, {"region": 1}, {"region": "\x07"}, 5]
    ),
    "Session-Id": st.just("s-2"),
    "colour": st.just("red"),
}
event = st.fixed_dictionaries(
    {"system": st.sampled_from(["softdrive", "streampixel", "no such", ""])},
    optional=fields,  # type: ignore[arg-type]
)
good = st.builds(
    lambda id_, code: {"system": "softdrive", "id": id_, "code": code},
    st.sampled_from("abc"),
    st.sampled_from(["01", "02"]),
)
body = st.one_of(
    st.builds(json.dumps, good).map(str.encode),
    st.builds(json.dumps, st.one_of(event, st.lists(event | good, max_size=4))).map(str.encode),
    st.sampled_from(
        [
            *(b"", b"{", b"[]", b"null", b"\xff", b'{"system":"softdrive","id":"\xff"}'),
            b'{"system":"softdrive","system":"softdrive","id":"a"}',
            b'\xef\xbb\xbf{"system":"softdrive","id":"a"}',
            b'{"system":"softdrive","id":"\\ud800"}',
            b'{"system":"softdrive","id":"a"}\n{"system":"softdrive","id":"z"}\n',
            b'{"system":"softdrive","id":"a","labels":{"x":{"y":[[[[1]]]]}}}',
            b"[" * 100,
        ]
    ),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from([JSON, JSON, NDJSON, {b"content-type": b"text/html"}]),
        "token": st.sampled_from([BEARER, BEARER, {b"authorization": b"Bearer wrong"}]),
        "key": st.just({b"idempotency-key": b'"k-1"'}),
        "cloudevent": st.just(CLOUDEVENT),
        "encoding": st.just({b"content-encoding": b"gzip"}),
        "length": st.sampled_from([{b"content-length": b"9" * 30}, {b"content-length": b"10"}]),
    },
).map(lambda parts: {name: value for part in parts.values() for name, value in part.items()})
plain_headers = st.just({**JSON, **BEARER})


async def answer_directly(
    listener: Listener, body: bytes, headers: dict[bytes, bytes], client: str = "127.0.0.1"
) -> Answer:
    """The answer without a task, or with a task if the application requires it."""
    start = listener.app.direct(INGEST_PATH.encode(), headers)
    if start is None:
        return await listener.answer(body, headers, client=client)
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def respond(status: int, lines: list[tuple[bytes, bytes]], body: bytes) -> None:
        answered.set_result(Answer(status, dict(lines), body))

    start(headers, client, body, respond)
    assert not answered.done(), "an answer inside of the parser's callback"
    return await answered


def seen(listener: Listener) -> tuple[Any, ...]:
    """Batches, metrics, log lines and unknown codes. Hashes of users differ between listeners, so only their
    presence is compared."""
    batches = [
        (
            [each.key for each in batch.series],
            *(batch.keys, batch.fingerprints, batch.durations, batch.sessions),
            [user is not None for user in batch.users or ()],
        )
        for batch in listener.memory.batches
    ]
    samples = [
        (sample.name, sample.labels, sample.value)
        for metric in listener.registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    ]
    return batches, samples, listener.logged, listener.unknown.snapshot()


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(TOKEN)
    return file


@settings(max_examples=60, deadline=None)
@given(requests=st.lists(st.tuples(body, plain_headers | headers), min_size=1, max_size=8))
def test_requests_with_and_without_a_task_are_alike(
    taxonomy: Taxonomy, token_file: Path, requests: list[tuple[bytes, dict[bytes, bytes]]]
) -> None:
    async def run() -> None:
        one, other = (
            Listener(taxonomy, authenticator=Authenticator(token_file, clock=lambda: 0.0))
            for _ in range(2)
        )
        for body, headers in requests:
            answer = await answer_directly(one, body, headers)
            assert answer == await other.answer(body, headers)
        assert seen(one) == seen(other)

    asyncio.run(run())


class Hanging(MemoryLedger):
    """Refuses each batch later, and keeps weak references to its refusals."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[weakref.ref[Refused]] = []

    def enqueue(self, batch: Batch, answered: Answered) -> None:
        refused = LedgerUnavailable("hangs", retry_after=5)
        self.refusals.append(weakref.ref(refused))
        asyncio.get_running_loop().call_soon(answered, refused)


def test_late_refusal_is_answered_and_frees_its_request(taxonomy: Taxonomy) -> None:
    """Fails when the refusal is raised: its traceback is a reference cycle that only the garbage collector
    frees."""
    ledger = Hanging()
    listener = Listener(taxonomy, ledger)
    gc.collect()
    gc.disable()
    try:
        refused = asyncio.run(answer_directly(listener, b'{"system":"softdrive","id":"a"}', JSON))
        assert refused.status == 503
        assert refused.headers[b"retry-after"] == b"5"
        assert [reference() for reference in ledger.refusals] == [None]
    finally:
        gc.enable()
    assert listener.value("requests_total", status="503") == 1


def test_defect_is_answered_500(listener: Listener) -> None:
    listener.memory.refusal = ZeroDivisionError()  # type: ignore[assignment]
    answer = asyncio.run(answer_directly(listener, b'{"system":"softdrive","id":"a"}', JSON))
    assert answer.status == 500
    assert b"ZeroDivisionError" not in answer.body
    assert listener.value("requests_total", status="500") == 1


@pytest.mark.parametrize("target", [b"/", b"/v1/logs", b"/v1/session-ends?x=1", b"/v1/beacons/k"])
def test_other_targets_take_a_task(listener: Listener, target: bytes) -> None:
    assert listener.app.direct(target, JSON) is None
