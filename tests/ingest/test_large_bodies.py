"""Large bodies wait for their turn, within a budget; small bodies do not wait."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from exporter.ingest.decode import Decoder
from exporter.ingest.guard import LARGE
from exporter.ingest.otlp.records import Records
from exporter.ledger.contract import Batch, Receipt
from exporter.names import INGEST_PATH, LOGS_PATH
from exporter.taxonomy.model import Taxonomy
from tests.ingest.listener import Answer, Listener, keyless
from tests.ingest.memory_ledger import MemoryLedger

SMALL = json.dumps([keyless()]).encode()


def large(size: int = LARGE + 1) -> bytes:
    return SMALL + b" " * (size - len(SMALL))


class Disk(MemoryLedger):
    """A ledger that writes nothing until `works` is set; `begun` counts the batches that it has received."""

    def __init__(self) -> None:
        super().__init__()
        self.works, self.begun = asyncio.Event(), 0

    async def commit(self, batch: Batch) -> Receipt:
        self.begun += 1
        await self.works.wait()
        return await super().commit(batch)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


async def turns() -> None:
    """Let all tasks run until they wait."""
    for _ in range(50):
        await asyncio.sleep(0)


async def six_posts(taxonomy: Taxonomy) -> tuple[Disk, Listener, list[asyncio.Task[Answer]]]:
    """Six large bodies: four are at the ledger, which writes nothing yet, and two use up the budget."""
    disk = Disk()
    listener = Listener(taxonomy, disk, budget=2 * LARGE + 2)
    posts = [asyncio.create_task(listener.answer(large())) for _ in range(6)]
    await turns()
    return disk, listener, posts


def test_four_large_bodies_are_at_the_ledger_and_small_bodies_overtake_the_others(
    taxonomy: Taxonomy,
) -> None:
    async def scenario() -> None:
        disk, listener, posts = await six_posts(taxonomy)
        assert disk.begun == 4
        posts.append(asyncio.create_task(listener.answer(SMALL)))
        await turns()
        assert disk.begun == 5
        disk.works.set()
        assert [(await post).status for post in posts] == [200] * 7
        assert len(disk.batches) == 7

    run(scenario)


def test_large_bodies_past_the_budget_are_refused(taxonomy: Taxonomy) -> None:
    """Fails without the budget, and when a body still uses the budget after its turn has come."""

    async def scenario() -> None:
        disk, listener, posts = await six_posts(taxonomy)
        refused = await listener.answer(large())
        assert refused.status == 503
        assert refused.json["reason"] == "queue_full"
        assert refused.json["detail"] == (
            f"{2 * LARGE + 2} bytes of other requests wait for the ledger; send the events again"
        )
        assert listener.value("refused_requests_total", reason="queue_full") == 1
        disk.works.set()
        assert [(await post).status for post in posts] == [200] * 6
        assert (await listener.answer(large(3 * LARGE))).status == 200

    run(scenario)


def test_cancelled_request_leaves_its_turn_to_the_next(taxonomy: Taxonomy) -> None:
    """Fails when a turn or a part of the budget is lost with the task that had it."""

    async def scenario() -> None:
        disk, listener, posts = await six_posts(taxonomy)
        for post in posts[1:5]:
            post.cancel()
        await turns()
        assert disk.begun == 5
        posts.append(asyncio.create_task(listener.answer(large(2 * LARGE))))
        await turns()
        disk.works.set()
        left = [post for post in posts if not post.cancelled()]
        assert [(await post).status for post in left] == [200] * 3

    run(scenario)


def test_event_loop_runs_while_a_large_body_is_parsed(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails when the event loop parses the body: a body of 1 MB delayed all other senders by 0.3 s. Plain
    bodies take little time, and need no thread."""

    async def scenario() -> None:
        begun, loop_ran, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

        def waiting(decode: Callable[..., Any]) -> Callable[..., Any]:
            def wait(*given: Any) -> Any:
                loop.call_soon_threadsafe(begun.set)
                assert loop_ran.wait(10)
                return decode(*given)

            return wait

        listener = Listener(taxonomy)
        for decoder in (Decoder, Records):
            monkeypatch.setattr(decoder, "decode", waiting(decoder.decode))
        assert (await listener.answer(large())).status == 200
        assert not begun.is_set()
        unknown = json.dumps(keyless(comment="x" * LARGE)).encode()
        for body, path in ((unknown, INGEST_PATH), (b"{}" + b" " * LARGE, LOGS_PATH)):
            begun.clear()
            loop_ran.clear()
            post = asyncio.create_task(listener.answer(body, path=path))
            await begun.wait()
            loop_ran.set()
            assert (await post).status == 200

    run(scenario)
