"""Row 16 of the fault table, to a real process; millions of inputs without one: tests/faults/fuzz.py."""

import itertools
from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import parses
from tests.faults.posting import post

EVENT = b'{"system":"softdrive","id":"a"'
HOSTILE = {
    "no JSON": b"\x00\xff",
    "nothing": b"",
    "not UTF-8": EVENT + b',"code":"\xff\xfe"}',
    "deep arrays": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep in an unknown field": EVENT + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "deep labels": EVENT + b',"labels":' + b'{"region":' * 200 + b'""' + b"}" * 201,
    "huge integer": EVENT + b',"code":' + b"9" * 100_000 + b"}",
    "huge exponent": EVENT + b',"duration_seconds":1e999}',
    "NaN": EVENT + b',"duration_seconds":NaN}',
    "Infinity": EVENT + b',"duration_seconds":-Infinity}',
    "a key twice": EVENT + b',"id":"b"}',
    "a label twice": EVENT + b',"labels":{"region":"a","region":"b"}}',
    "surrogate in the id": b'{"system":"softdrive","id":"\\ud800"}',
    "surrogate in the session": EVENT + b',"session_id":"\\udfff"}',
    "surrogate in a label": EVENT + b',"labels":{"region":"\\ud800"}}',
    "surrogate in the system": b'{"system":"\\ud800"}',
    "a year that is none": EVENT + b',"occurred_at":"9999-99-99T99:99:99Z"}',
    "negative duration": EVENT + b',"duration_seconds":-0.1}',
    "half a string": EVENT + b',"code":"',
    "two documents": EVENT + b"}" + EVENT + b"}",
    "an array of nulls": b"[" + b"null," * 500 + b"null]",
    "too many events": b"[" + b"{}," * 1000 + b"{}]",
}
MEDIA = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
)


def test_hostile_bodies_are_refused_in_every_format_and_metrics_parse_after_each(
    tmp_path: Path,
) -> None:
    """Row 16."""
    with ExporterProcess(tmp_path / "data", settings={"labels": "region"}) as exporter:
        for (what, body), media in itertools.product(HOSTILE.items(), MEDIA):
            reply = post(exporter, body, Content_Type=media)
            assert 400 <= reply.status < 500, (what, media, reply.status, reply.body[:200])
            assert reply.headers["Content-Type"] == "application/problem+json", (what, media)
            assert reply.json["status"] == reply.status
            parses(exporter)
        assert exporter.total("session_ends_total") == 0
        assert exporter.total("session_exporter_refused_requests_total", reason="internal") == 0
        assert not [line for line in exporter.lines() if line.get("level") == "error"]


def test_a_sound_line_beside_hostile_ones_is_counted(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", settings={"labels": "region"}) as exporter:
        lines = [body.replace(b"\n", b" ") for body in HOSTILE.values() if len(body) < 20_000]
        lines = [line for line in lines if line]
        reply = post(
            exporter, b"\n".join([EVENT + b"}", *lines]), Content_Type="application/x-ndjson"
        )
        assert (reply.status, reply.json["accepted"]) == (200, 1)
        assert [one["index"] for one in reply.json["rejected"]] == list(range(1, len(lines) + 1))
        assert exporter.total("session_ends_total") == 1
