"""The strict JSON parser's cost, and hostile bodies against the whole application."""

import gc
import json
import sys
from collections.abc import Callable

import pytest

from exporter.ingest.strict_json import parse
from tests.ingest.listener import Listener

TYPES = (
    b"application/json",
    b"application/x-ndjson",
    b"application/cloudevents+json",
    b"application/cloudevents-batch+json",
)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "very long integer": lambda: b'{"system":"softdrive","code":' + b"9" * 100_000 + b"}",
    "key of surrogates": lambda: b'{"system":"softdrive","\\ud800":1,"\\ud800":2}',
    "system of surrogates": lambda: b'{"system":"\\ud800"}',
    "deep arrays": lambda: b"[" * 500_000,
    "deep objects": lambda: b'{"a":' * 150_000,
    "deep labels": lambda: b'{"system":"softdrive","labels":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    "many empty objects": lambda: b"[" + b"{}," * 300_000 + b"{}]",
    "many keys": lambda: json.dumps({f"k{n}": n for n in range(60_000)}).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("content_type", TYPES)
def test_hostile_body_is_refused_and_not_a_defect(
    listener: Listener, name: str, content_type: bytes
) -> None:
    """Row 16; generated bodies by the thousand are in test_fuzz.py."""
    answer = listener.post(HOSTILE[name](), {b"content-type": content_type})
    assert answer.status in (400, 413, 422)
    assert not listener.memory.batches
    assert listener.total("refused_requests_total") == 1
    assert listener.total("rejected_events_total") == len(answer.json.get("rejected", []))


def calls(text: bytes) -> int:
    """Calls of Python functions while a text is parsed and checked."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    # A collection would call the garbage collector's callbacks, such as hypothesis'.
    gc.disable()
    sys.setprofile(count)
    try:
        parse(text).checked(32)
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


@pytest.mark.parametrize(
    ("item", "calls_each"),
    [(b"[" * 28 + b"]" * 28, 0), (b'["[[[[",1.5,null]', 0), (b'{"a":{}}', 2)],
)
def test_parsing_calls_no_function_per_array_and_one_per_object(
    item: bytes, calls_each: int
) -> None:
    """Row 31. Fails when depth is found by a walk through the values: 64 KiB delayed every other sender by
    20 ms."""
    few, many = (calls(b"[" + b",".join([item] * number) + b"]") for number in (1, 1000))
    assert many <= few + calls_each * 1000 + 5
