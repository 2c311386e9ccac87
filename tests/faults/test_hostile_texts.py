"""Rows 16 and 17 of the fault table, to a real process: each hostile body and text by name."""

import itertools
import time

from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.exposition import (
    FORBIDDEN,
    PERMITTED,
    SHOWN_AT_ONCE,
    assert_parses,
    wait_for_ends,
)

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
    "an invalid year": EVENT + b',"occurred_at":"9999-99-99T99:99:99Z"}',
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


def test_hostile_bodies_are_refused_in_every_format_and_metrics_parse(tmp_path):
    with ExporterProcess(tmp_path / "data", settings={"labels": "region"}) as exporter:
        for (name, body), media in itertools.product(HOSTILE.items(), MEDIA):
            reply = exporter.post(body, Content_Type=media)
            assert 400 <= reply.status < 500, (name, media, reply.status, reply.body[:200])
            assert reply.headers["Content-Type"] == "application/problem+json", (name, media)
            assert reply.json["status"] == reply.status
            assert_parses(exporter)
        assert exporter.total("session_ends_total") == 0
        assert exporter.total("session_exporter_refused_requests_total", reason="internal") == 0
        assert not [line for line in exporter.lines() if line.get("level") == "error"]

        lines = [body.replace(b"\n", b" ") for body in HOSTILE.values() if 0 < len(body) < 20_000]
        body = b"\n".join([EVENT + b"}", *lines])
        reply = exporter.post(body, Content_Type="application/x-ndjson")
        assert (reply.status, reply.json["accepted"]) == (200, 1), (
            "a valid line beside hostile ones"
        )
        rejected = [event["index"] for event in reply.json["rejected"]]
        assert rejected == list(range(1, len(lines) + 1))


def test_forbidden_labels_are_rejected_and_odd_labels_shown_as_sent(tmp_path):
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        for name, value in FORBIDDEN.items():
            reply = exporter.post({"system": "softdrive", "labels": {"region": value}})
            assert reply.status == 422, name
            assert reply.json["rejected"][0]["reason"] in ("invalid_label", "invalid_field"), name
        assert exporter.total("session_ends_total") == 0

        # Exemplars show session ids, which senders choose freely.
        texts = [value for value in FORBIDDEN.values() if isinstance(value, str)]
        for text in [*texts, "", "x" * 100_000]:
            event = {"system": "softdrive", "session_id": text, "code": "unheard"}
            assert exporter.post(event).status in (200, 422), text
            assert_parses(exporter)
        ends = int(exporter.total("session_exporter_accepted_events_total"))

        events = [
            {"system": "softdrive", "id": value, "session_id": value, "labels": {"region": value}}
            for value in PERMITTED
        ]
        assert exporter.post(events).json["accepted"] == len(PERMITTED)
        wait_for_ends(exporter, ends + len(PERMITTED))
        for value in PERMITTED:
            assert exporter.total("session_ends_total", region=value) == 1, value
        assert_parses(exporter, promtool=True)

        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(tmp_path / "prometheus", [target], interval=0.5) as prometheus:

            def exemplars() -> set[str]:
                series = prometheus.get(
                    "query_exemplars", query="session_ends_total", start=0, end=time.time() + 60
                )
                shown = [exemplar for each in series for exemplar in each["exemplars"]]
                return {exemplar["labels"]["session_id"] for exemplar in shown}

            def regions() -> set[str]:
                samples = prometheus.query("session_ends_total > 0")
                return {dict(labels).get("region", "") for labels in samples}

            wait_for(lambda: regions() >= set(PERMITTED), what="the odd labels")
            # An exemplar has 128 characters, name and value together, and none that is escaped.
            readable = {
                value for value in PERMITTED if len(value) < 100 and not set(value) & {'"', "\\"}
            }
            wait_for(lambda: exemplars() >= readable, what="the exemplars")
