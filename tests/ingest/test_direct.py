"""Session ends without an ASGI task: the same answers, batches, metrics and log lines as with a task."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

import pytest

from exporter.errors import LedgerUnavailable, Refused
from exporter.ledger.contract import Answered, Batch
from exporter.names import INGEST_PATH
from exporter.taxonomy.model import Taxonomy
from exporter.tokens import Authenticator
from tests.faults.fuzz import TYPES
from tests.faults.mutator import Mutator
from tests.ingest.listener import JSON, Answer, Listener
from tests.ingest.memory_ledger import MemoryLedger

TOKEN = "a-token-of-a-sender"
BEARER = {b"authorization": b"Bearer " + TOKEN.encode()}
OTHER_HEADERS = (
    *[BEARER] * 8,
    {b"authorization": b"Bearer wrong"},
    {**BEARER, b"content-type": b"text/html"},
    {**BEARER, b"content-encoding": b"gzip"},
    {**BEARER, b"content-length": b"9" * 30},
    {**BEARER, b"content-length": b"10"},
)


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
    return await asyncio.wait_for(answered, 30)


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
    ]
    return batches, samples, listener.logged, listener.clients, listener.unknown.snapshot()


def test_requests_with_and_without_a_task_are_alike(taxonomy: Taxonomy, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    listeners = [
        Listener(taxonomy, authenticator=Authenticator(tmp_path / "tokens", clock=lambda: 0.0))
        for _ in range(2)
    ]
    rng, mutator = Random(1), Mutator(1)

    async def run() -> None:
        for _ in range(2000):
            given = mutator.next()
            kind = {b"content-type": TYPES[given.media]}
            headers = {**kind, **given.headers, **rng.choice(OTHER_HEADERS)}
            answer = await answer_directly(listeners[0], given.body, headers)
            assert answer == await listeners[1].answer(given.body, headers), given

    asyncio.run(run())
    assert seen(listeners[0]) == seen(listeners[1])
    statuses = ("200", "400", "401", "413", "415", "422", "429")
    assert all(listeners[0].value("requests_total", status=status) > 5 for status in statuses)


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


@pytest.mark.parametrize("post", [answer_directly, Listener.answer])
@pytest.mark.parametrize("counted", [False, True])
def test_defect_is_answered_500_without_details(
    listener: Listener, post: Callable[..., Coroutine[Any, Any, Answer]], counted: bool
) -> None:
    if counted:
        listener.own.accepted = None  # type: ignore[assignment]
    else:
        listener.memory.refusal = ZeroDivisionError("secret")  # type: ignore[assignment]
    answer = asyncio.run(post(listener, b'{"system":"softdrive","id":"a"}', JSON))
    assert (answer.status, answer.json["reason"]) == (500, "internal")
    assert b"secret" not in answer.body
    assert listener.value("requests_total", status="500") == 1
    assert listener.logged == ["internal"]


@pytest.mark.parametrize("target", [b"/", b"/v1/logs", b"/v1/session-ends?x=1", b"/v1/beacons/k"])
def test_other_targets_take_a_task(listener: Listener, target: bytes) -> None:
    assert listener.app.direct(target, JSON) is None
