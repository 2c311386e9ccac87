"""Ids of events: stable, distinct, and made in bounded memory."""

import hashlib
import json
import subprocess
import sys

import pytest

from exporter.send.events import Occurrences

from .conftest import Sender
from .fake_exporter import FakeExporter

SAME = '{"system": "softdrive", "code": 8}\n'


def test_the_id_of_a_content_never_changes(server: FakeExporter, sender: Sender) -> None:
    """The next release must recognize a repeat: change this only together with the prefix."""
    event = {
        "system": "softdrive",
        "code": 8,
        "session_id": "é",
        "occurred_at": "2026-11-20T19:00:00Z",
        "duration_seconds": 12,
        "phase": "stream",
        "final": False,
        "labels": {"b": "2", "a": "1"},
        "unknown": 1,
    }
    sender.lines(json.dumps(event))
    content = (
        '["8",12.0,false,{"a":"1","b":"2"},"2026-11-20T19:00:00Z","stream","\\u00e9","softdrive"]'
    )
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    assert list(server.counted) == [f"send1-{digest}-1"]


def test_identical_rows_of_a_file_are_distinct_events(server: FakeExporter, sender: Sender) -> None:
    assert sender.lines(SAME * 3).accepted == 3
    assert sorted(id.rpartition("-")[2] for id in server.counted) == ["1", "2", "3"]


def test_a_file_that_grew_counts_only_its_new_rows(sender: Sender) -> None:
    sender.lines(SAME * 3)
    report = sender.lines(SAME * 5)
    assert (report.accepted, report.duplicates) == (2, 3)


def test_a_copy_of_a_file_counts_nothing(sender: Sender) -> None:
    report = sender(sender.file("a.ndjson", SAME * 3), sender.file("b.ndjson", SAME * 3))
    assert (report.accepted, report.duplicates) == (3, 3)


def test_an_event_keeps_its_own_id(server: FakeExporter, sender: Sender) -> None:
    sender.lines('{"system": "softdrive", "id": "mine"}\n')
    assert list(server.counted) == ["mine"]


@pytest.mark.parametrize(
    ("event", "other"),
    [
        (SAME, '{"code": "8", "system": "softdrive", "final": true, "labels": {}, "phase": null}'),
        (SAME, '{"system": "softdrive", "code": 8, "id": "", "labels": {"a": ""}, "more": [1]}'),
        (
            '{"system": "softdrive", "duration_seconds": 0}',
            '{"system": "softdrive", "duration_seconds": -0.0}',
        ),
    ],
)
def test_another_spelling_of_the_same_content_has_the_same_id(
    event: str, other: str, sender: Sender
) -> None:
    sender.lines(event)
    report = sender.lines(other)
    assert (report.accepted, report.duplicates) == (0, 1)


def test_events_that_cannot_be_told_apart_give_one_warning(sender: Sender) -> None:
    sender.lines(SAME * 3)
    assert sender.output.count("counts as the same event") == 1
    sender.lines('{"system": "softdrive", "session_id": "s"}\n')
    assert "counts as the same event" not in sender.output


def test_occurrences_count_each_digest() -> None:
    with Occurrences() as seen:
        assert [seen.number(digest) for digest in (b"a", b"b", b"a", b"a", b"b")] == [1, 1, 2, 3, 2]
    with Occurrences() as seen:
        assert seen.number(b"a") == 1


def test_occurrences_beyond_the_cache_are_counted_in_bounded_memory() -> None:
    """The cache of 256 KiB cannot hold 60,000 digests, about 1.6 MiB.

    Not ru_maxrss: that of a child begins at its parent's, which hides everything.
    """
    code = """
import resource
from exporter.send.events import Occurrences
def kib():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024
with Occurrences(cache_kib=256) as seen:
    seen.number(b"warm")
    before = kib()
    for n in range(60_000):
        assert seen.number(n.to_bytes(16, "little")) == 1
    for n in range(0, 60_000, 1000):
        assert seen.number(n.to_bytes(16, "little")) == 2
    print(kib() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1024
