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
