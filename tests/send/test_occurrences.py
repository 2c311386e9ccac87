"""Identities of events without one: stable, distinct, and counted without growing in memory."""

import hashlib
import json
import subprocess
import sys

import pytest

from exporter.send.occurrences import Occurrences

from .conftest import Sender
from .fake_exporter import FakeExporter

SAME = '{"system": "softdrive", "code": 8}\n'


def test_the_id_of_a_content_never_changes(server: FakeExporter, sender: Sender) -> None:
    """A repeat with the next release must still be recognised: change this only with the prefix."""
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
    sender(sender.file("a.json", json.dumps(event)))
    content = (
        '["8",12.0,false,{"a":"1","b":"2"},"2026-11-20T19:00:00Z","stream","\\u00e9","softdrive"]'
    )
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    assert list(server.counted) == [f"send1-{digest}-1"]


def test_identical_rows_of_a_file_are_distinct_events(server: FakeExporter, sender: Sender) -> None:
    assert sender(sender.file("a.ndjson", SAME * 3)).accepted == 3
    assert sorted(id.rpartition("-")[2] for id in server.counted) == ["1", "2", "3"]


def test_a_file_that_grew_sends_only_what_is_new(server: FakeExporter, sender: Sender) -> None:
    sender(sender.file("a.ndjson", SAME * 3))
    report = sender(sender.file("a.ndjson", SAME * 5))
    assert (report.accepted, report.duplicates) == (2, 3)


def test_a_copy_of_a_file_counts_nothing_even_in_the_same_command(
    server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", SAME * 3), sender.file("b.ndjson", SAME * 3))
    assert (report.accepted, report.duplicates) == (3, 3)


def test_an_event_keeps_its_own_id(server: FakeExporter, sender: Sender) -> None:
    sender(sender.file("a.ndjson", '{"system": "softdrive", "id": "mine"}\n'))
    assert list(server.counted) == ["mine"]


@pytest.mark.parametrize(
    "other",
    [
        '{"code": "8", "system": "softdrive", "final": true, "labels": {}, "phase": null}',
        '{"system": "softdrive", "code": 8, "session_id": "", "labels": {"a": ""}, "more": [1]}',
    ],
)
def test_the_same_content_in_another_spelling_has_the_same_id(
    other: str, server: FakeExporter, sender: Sender
) -> None:
    sender(sender.file("a.ndjson", SAME))
    report = sender(sender.file("b.ndjson", other))
    assert (report.accepted, report.duplicates) == (0, 1)


def test_a_duration_of_minus_zero_is_zero(server: FakeExporter, sender: Sender) -> None:
    row = '{"system": "softdrive", "session_id": "a", "duration_seconds": %s}'
    sender(sender.file("a.ndjson", row % "0"))
    assert sender(sender.file("b.ndjson", row % "-0.0")).duplicates == 1


def test_events_that_nothing_tells_apart_are_warned_of_once(
    server: FakeExporter, sender: Sender
) -> None:
    sender(sender.file("a.ndjson", SAME * 3))
    assert sender.said.count("counts as the same event") == 1
    sender(sender.file("a.ndjson", '{"system": "softdrive", "session_id": "s"}\n'))
    assert "counts as the same event" not in sender.said


def test_digests_are_counted_each_by_itself() -> None:
    with Occurrences() as seen:
        assert [seen.number(digest) for digest in (b"a", b"b", b"a", b"a", b"b")] == [1, 1, 2, 3, 2]
    with Occurrences() as seen:
        assert seen.number(b"a") == 1


def test_counting_goes_on_beyond_the_cache_in_bounded_memory() -> None:
    """With a cache of 256 KiB, so that 60,000 digests (about 1.6 MiB) do not fit into it.

    Not ru_maxrss: a child's begins at its parent's, and pytest's hides everything.
    """
    code = """
import resource, exporter.send.occurrences as o
o._CACHE_KIB = 256
def kib():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024
with o.Occurrences() as seen:
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
