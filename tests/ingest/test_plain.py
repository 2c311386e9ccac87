"""Batches whose events have the same fields, and batches in which one event differs."""

import json
import time
from typing import Any

import pytest

from exporter.ingest.decode import Decoder
from exporter.ingest.event import Decoded
from exporter.ingest.media import Media
from exporter.ingest.plain import shape_of
from tests.ingest.classifying import BASE

FULL = {**BASE, "phase": "stream", "final": True, "user": "u-1"}


def decode(events: list[Any], media: Media = Media.JSON) -> Decoded:
    texts = [json.dumps(event, ensure_ascii=False) for event in events]
    body = f"[{','.join(texts)}]" if media is Media.JSON else "\n".join(texts)
    return Decoder(10, 16).decode(media, body.encode(), {})


def alone(event: dict[str, Any]) -> tuple[Any, ...]:
    """The fields of an event in a batch whose unknown field makes the strict parser read it."""
    decoded = decode([event, {"system": "softdrive", "unknown": 1}])
    return tuple(column[0] for column in decoded.events)


def labels(text: bytes) -> dict[str, str] | None:
    """The labels with string values; only these are counted."""
    parsed = json.loads(text or "null") or {}
    return {name: value for name, value in parsed.items() if isinstance(value, str)} or None


@pytest.mark.parametrize("media", [Media.JSON, Media.NDJSON])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"code": "4001"},
        {"code": 0},
        {"code": 4001.0},
        {"code": None},
        {"code": ""},
        {"id": ""},
        {"phase": ""},
        {"duration_seconds": 3},
        {"duration_seconds": None},
        {"session_id": None},
        {"session_id": 'a "quoted" \\ text'},
        {"session_id": "}, {"},
        {"id": 'a":b', "session_id": '\\":', "code": "é😀"},
        {"final": None},
        {"labels": None},
        {"labels": {}},
        {"labels": {"phase": "connect", "user": 'a"b', "note": [{"id": 1}]}},
        {"labels": {"region": "é", "phase": None}},
        {"labels": {"region": '":', "y": [{"z": "日本"}]}, "x": 'key\\\\":1'},
        {"user": None, "occurred_at": None, "id": None},
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_event_that_differs_is_decoded_as_if_alone(
    change: dict[str, Any], media: Media, first: bool
) -> None:
    event = {name: value for name, value in (FULL | change).items() if value is not None}
    for other in (event, FULL | change):
        batch = [other, FULL, FULL] if first else [FULL, FULL, other]
        decoded = decode(batch, media)
        assert decoded.rejected == []
        rows = list(zip(*decoded.events, strict=True))
        expected = [alone(each) for each in batch]
        assert [row[:-1] for row in rows] == [row[:-1] for row in expected]
        assert [labels(row[-1]) for row in rows] == [labels(row[-1]) for row in expected]


def test_spaces_after_an_event_cost_little_time() -> None:
    """Fails when the search for the end of an event tries each split of the spaces: 6 ms per body."""
    body = b"[{}" + b" " * 2000 + b"x" * 100
    began = time.process_time()
    for _ in range(100):
        shape_of(body)
    assert time.process_time() - began < 0.2
