"""No body is a defect: the reply is one of the contract's, and the counters agree with it."""

import asyncio
import base64
import gc
import gzip
import json
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.ingest import careful
from exporter.ingest.media import Media
from exporter.taxonomy.loader import load
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.events import EVENT
from tests.ingest.listener import Listener

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


def calls(text: bytes) -> int:
    """Calls of functions in Python while a text is parsed and checked."""
    counted = 0

    def count(_frame: object, kind: str, _argument: object) -> None:
        nonlocal counted
        counted += kind == "call"

    # A collection in between would call the collector's callbacks, such as hypothesis'.
    gc.disable()
    sys.setprofile(count)
    try:
        careful.parse(text).checked(32)
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


@pytest.mark.parametrize("item", [b"[]", b"[" * 28 + b"]" * 28, b'["[[[[",1.5,null]'])
def test_no_function_is_called_for_each_array(item: bytes) -> None:
    """Fails when depth is found by a walk through the values: 64 KiB took 20 ms of every other sender."""
    few, many = (calls(b"[" + b",".join([item] * number) + b"]") for number in (1, 1000))
    assert many <= few + 5


def test_one_function_is_called_for_each_object() -> None:
    few, many = (calls(b"[" + b",".join([b'{"a":{}}'] * number) + b"]") for number in (1, 1000))
    assert many <= few + 2 * 1000 + 5


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
