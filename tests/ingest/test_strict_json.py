"""The cost of the strict JSON parser; its results are in test_decode.py."""

import gc
import sys

import pytest

from exporter.ingest.strict_json import parse


def calls(text: bytes) -> int:
    """Calls of Python functions while a text is parsed and checked."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    # A garbage collection would call callbacks, such as that of hypothesis.
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
    """Row 31. Fails when Python code visits all values to find the depth: 64 KiB delayed other senders by 20
    ms."""
    few, many = (calls(b"[" + b",".join([item] * number) + b"]") for number in (1, 1000))
    assert many <= few + calls_each * 1000 + 5
