"""Rows 14 to 18 of the fault table: what senders should not send, to a real process.

Each guard is shown to matter by a mutant, the same exporter with the guard taken out.
"""

import gzip
import http.client
import itertools
import json
import re
import socket
import statistics
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families

from tests.e2e.exporter_process import ExporterProcess, Reply, wait_for
from tests.e2e.prometheus_process import PrometheusProcess

MIB = 1024**2
MAX_BODY = MIB
READ_AHEAD = 64 * 1024
"""Bytes of a body that are read ahead of the application (uvicorn's HIGH_WATER_LIMIT)."""
ONE_READ = 256_000
"""Bytes that uvloop takes from a socket at once: the read in which the limit is passed is over before
anyone can look at it."""
FRAMING = 4096
"""Head and chunk sizes, which are no body."""
MOST_READ = MAX_BODY + READ_AHEAD + ONE_READ + FRAMING
"""Bytes that the process may have taken when it refuses a body without end."""
JSON = {"Content-Type": "application/json"}
SHOWN_AT_ONCE = {"labels": "region", "first_seen_zero_for": 0}
"""A label, whose new values are shown with their counts as soon as the ledger looks (each second)."""
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


# --- measuring a process --------------------------------------------------------------------------


def taken(exporter: ExporterProcess) -> int:
    """Bytes that the process has read so far, sockets included (`rchar` of proc(5))."""
    text = Path(f"/proc/{exporter.pid}/io").read_text()
    return int(text.partition("rchar:")[2].split()[0])


def peak(exporter: ExporterProcess) -> int:
    """Bytes of resident memory at its highest."""
    text = Path(f"/proc/{exporter.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) * 1024


def parses(exporter: ExporterProcess, promtool: bool = False) -> str:
    """The text exposition, after both formats were parsed; `promtool` looks at it as well."""
    text = exporter.request("ops", "GET", "/metrics")
    better = exporter.request("ops", "GET", "/metrics", headers=OPENMETRICS)
    assert (text.status, better.status) == (200, 200)
    assert "openmetrics" in better.headers["Content-Type"]
    assert len(list(text_families(text.body.decode()))) > 20
    assert len(list(openmetrics_families(_without_escapes(better.body.decode())))) > 20
    if promtool:
        said = subprocess.run(
            ["promtool", "check", "metrics"], input=text.body, capture_output=True, check=False
        )
        assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
    return text.body.decode()


def counted(exporter: ExporterProcess, ends: int) -> None:
    """Wait until /metrics shows that many ends: a new series is shown at 0 first."""
    wait_for(lambda: exporter.total("session_ends_total") == ends, 10, f"{ends} ends")


def _without_escapes(text: str) -> str:
    """Exemplars with `_` for each escape: prometheus_client's parser takes the quote of `\\"` for the
    end of a value there (Prometheus reads it right: see the test with a real one)."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line if " # {" not in line else re.sub(r"\\[\\\"n]", "_", line) for line in lines
    )


def send(exporter: ExporterProcess, body: bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return exporter.request("ingest", "POST", "/v1/session-ends", body, {**JSON, **named})


# --- row 14: a body without end -------------------------------------------------------------------


@dataclass(frozen=True)
class Endless:
    """`status` of the answer (0: none came), bytes that were `sent` and that the process has `read`."""

    status: int
    sent: int
    read: int


def endless(exporter: ExporterProcess, size: int, declared: bool = False) -> Endless:
    """Send a body of `size` bytes, made up as it leaves, chunked or with a Content-Length."""
    piece = b" " * 65536
    framing = b"Transfer-Encoding: chunked"
    if declared:
        framing = b"Content-Length: %d" % size
    else:
        piece = b"10000\r\n" + piece + b"\r\n"
    # What the first answer, the first refusal and its log line make the process import is no body.
    assert exporter.post({"system": "softdrive"}).status == 200
    assert send(exporter, b"", Content_Type="text/plain").status == 415
    before, sent = taken(exporter), 0
    with socket.create_connection(("127.0.0.1", exporter.ports["ingest"]), timeout=30) as client:
        head = b"POST /v1/session-ends HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        client.sendall(head + framing + b"\r\n\r\n")
        try:
            while sent < size:
                client.sendall(piece)
                sent += len(piece)
            if not declared:
                client.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = client.recv(65536)
        except ConnectionResetError:
            answer = b""
    return Endless(int(answer.split(b" ", 2)[1]) if answer else 0, sent, taken(exporter) - before)


@pytest.mark.parametrize("declared", [False, True], ids=["chunked", "with a length"])
def test_a_body_of_a_gibibyte_is_refused_once_it_is_past_the_limit(
    tmp_path: Path, declared: bool
) -> None:
    """Row 14. What the sender's kernel and ours hold on the way was sent and is never read, so `sent`
    is some megabytes more on loopback; bound is what the process took."""
    with ExporterProcess(tmp_path / "data") as exporter:
        found = endless(exporter, 1024 * MIB, declared)
        assert found.status == 413
        assert found.sent < 64 * MIB
        assert found.read <= MOST_READ
        if declared:
            assert found.read <= MOST_READ - MAX_BODY, "a length says it before the body does"
        assert exporter.total("session_exporter_refused_requests_total", reason="body_too_large")
        assert exporter.post({"id": "a", "system": "softdrive"}).status == 200


UNLIMITED = """
from exporter.ingest import guard
made = guard.Guard.__init__
def __init__(self, gate, max_body, budget):
    made(self, gate, 1 << 40, 1 << 40)
guard.Guard.__init__ = __init__
"""


def test_a_guard_without_its_limit_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=UNLIMITED) as exporter:
        found = endless(exporter, 8 * MIB)
        assert found.read > MOST_READ
        assert found.status == 400


# --- row 15: a gzip bomb --------------------------------------------------------------------------


def bomb(unpacked: int) -> bytes:
    """gzip of `unpacked` zeros: a thousandth of that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(unpacked // MIB)) + packer.flush()


def growth(exporter: ExporterProcess, body: bytes, times: int = 3) -> tuple[int, int]:
    """The last status, and the bytes by which the process's peak grew when `body` came `times`."""
    # An ordinary large request first: what any traffic costs is not the bomb's doing.
    send(exporter, gzip.compress(b" " * MAX_BODY), Content_Encoding="gzip")
    before = peak(exporter)
    for _ in range(times):
        status = send(exporter, body, Content_Encoding="gzip").status
    return status, peak(exporter) - before


def test_a_gzip_bomb_costs_no_memory(tmp_path: Path) -> None:
    """Row 15: the largest bomb that the limit of packed bytes lets in, some 1,000 MiB unpacked."""
    body = bomb(1000 * MIB)
    assert 0.9 * MAX_BODY < len(body) <= MAX_BODY
    with ExporterProcess(tmp_path / "data") as exporter:
        status, grown = growth(exporter, body)
        assert status == 413
        assert grown <= 8 * MIB + MAX_BODY
        parses(exporter)


GREEDY = """
import gzip
from exporter.ingest.guard import Guard
unpack = Guard._unpack
def _unpack(self, body):
    gzip.decompress(body)
    return unpack(self, body)
Guard._unpack = _unpack
"""


def test_a_bomb_that_is_unpacked_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=GREEDY) as exporter:
        assert growth(exporter, bomb(64 * MIB), 1)[1] > 8 * MIB + MAX_BODY


# --- row 16: JSON that is meant to hurt -----------------------------------------------------------

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
            reply = send(exporter, body, Content_Type=media)
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
        reply = send(
            exporter, b"\n".join([EVENT + b"}", *lines]), Content_Type="application/x-ndjson"
        )
        assert (reply.status, reply.json["accepted"]) == (200, 1)
        assert [one["index"] for one in reply.json["rejected"]] == list(range(1, len(lines) + 1))
        assert exporter.total("session_ends_total") == 1


# --- row 17: poison for /metrics ------------------------------------------------------------------

FORBIDDEN = {
    "NUL": "\0",
    "newline": "\n",
    "carriage return": "\r",
    "tab": "\t",
    "escape": "\x1b[31m",
    "delete": "\x7f",
    "C1": "\x85",
    "bidi override": "\u202e",
    "bidi isolate": "\u2066",
    "bidi mark": "\u200f",
    "line separator": "\u2028",
    "high surrogate": "\ud800",
    "low surrogate": "\udfff",
    "129 bytes": "x" * 129,
    "129 bytes of astral": "\U0001f600" * 33,
    "a number": 1,
    "an object": {"a": "b"},
    "a list": ["a"],
}
PERMITTED = (
    'quote " quote',
    "back\\slash",
    "ends in a backslash\\",
    "\\n is no newline",
    "\U0001f600 astral",
    '{brace="1"} 7',
    "# EOF",
    "x" * 128,
    " ",
)


def test_forbidden_labels_are_rejected_and_odd_ones_shown_as_sent(tmp_path: Path) -> None:
    """Row 17."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        for what, value in FORBIDDEN.items():
            reply = exporter.post({"system": "softdrive", "labels": {"region": value}})
            assert reply.status == 422, what
            assert reply.json["rejected"][0]["reason"] in ("invalid_label", "invalid_field"), what
            parses(exporter)
        assert exporter.total("session_ends_total") == 0
        for number, value in enumerate(PERMITTED):
            event = {"system": "softdrive", "id": f"p{number}", "labels": {"region": value}}
            assert exporter.post(event).json["accepted"] == 1, value
            parses(exporter)
        counted(exporter, len(PERMITTED))
        for value in PERMITTED:
            assert exporter.total("session_ends_total", region=value) == 1, value
        parses(exporter, promtool=True)


def test_a_session_id_of_any_characters_leaves_metrics_readable(tmp_path: Path) -> None:
    """Row 17: exemplars are the one place where /metrics shows what a sender chose freely."""
    with ExporterProcess(tmp_path / "data", settings={"labels": "region"}) as exporter:
        texts = [value for value in FORBIDDEN.values() if isinstance(value, str)]
        for number, text in enumerate([*texts, *PERMITTED, "", "x" * 100_000]):
            event = {
                "system": "softdrive",
                "id": f"s{number}",
                "session_id": text,
                "code": "unheard",
            }
            reply = exporter.post(event)
            assert reply.status in (200, 422), text
            parses(exporter)
        assert exporter.total("session_ends_total", code="unknown") > len(PERMITTED)
        parses(exporter, promtool=True)


def test_a_real_prometheus_reads_every_odd_label_and_exemplar(tmp_path: Path) -> None:
    """Row 17: the parser that matters."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        events = [
            {"system": "softdrive", "id": value, "session_id": value, "labels": {"region": value}}
            for value in PERMITTED
        ]
        assert exporter.post(events).json["accepted"] == len(PERMITTED)
        counted(exporter, len(PERMITTED))
        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(tmp_path / "prometheus", [target], interval=0.5) as prometheus:

            def exemplars() -> set[str]:
                found = prometheus.get(
                    "query_exemplars", query="session_ends_total", start=0, end=time.time() + 60
                )
                return {one["labels"]["session_id"] for each in found for one in each["exemplars"]}

            def regions() -> set[str]:
                found = prometheus.query("session_ends_total > 0")
                return {dict(labels)["region"] for labels in found}

            wait_for(lambda: regions() == set(PERMITTED), what="the odd labels")
            # Exemplars have 128 characters, name and value together; Prometheus 2.42 shows the values of
            # exemplars as they stand in the text, escapes and all.
            short = {
                json.dumps(one, ensure_ascii=False)[1:-1] for one in PERMITTED if len(one) < 100
            }
            wait_for(lambda: exemplars() == short, what="the exemplars")


UNESCAPED = """
from exporter.metrics import family
family.escaped = lambda value: value
"""


def test_a_poisoned_exposition_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE, mutant=UNESCAPED) as exporter:
        exporter.post({"system": "softdrive", "labels": {"region": 'quote " quote'}})
        with pytest.raises(ValueError, match=r".+"):
            parses(exporter)


# --- row 18: more label values than anyone has ----------------------------------------------------


@dataclass(frozen=True)
class Flood:
    """What /metrics is like after events of that many label values: `values` shown, `lines` of
    session_ends_total, their sum in `counted`, and the median `scrape` in seconds."""

    values: int
    lines: int
    counted: int
    other: int
    scrape: float


def flood(exporter: ExporterProcess, count: int) -> Flood:
    """`count` events, each with a label value of its own, then five scrapes."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.ports["ingest"], timeout=60)
    for first in range(0, count, 1000):
        numbers = range(first, min(count, first + 1000))
        body = json.dumps([_labelled(number) for number in numbers])
        connection.request("POST", "/v1/session-ends", body, JSON)
        reply = json.loads(connection.getresponse().read())
        assert reply["accepted"] == len(numbers), reply
    connection.close()
    counted(exporter, count)
    times = [_timed(lambda: exporter.request("ops", "GET", "/metrics")) for _ in range(5)]
    ends = {
        labels: value
        for (name, labels), value in exporter.metrics().items()
        if name == "session_ends_total"
    }
    values = {dict(labels).get("region", "") for labels in ends}
    other = sum(value for labels, value in ends.items() if ("region", "other") in labels)
    return Flood(
        len(values), len(ends), int(sum(ends.values())), int(other), statistics.median(times)
    )


def _labelled(number: int) -> dict[str, object]:
    code = (1000, 1006, 4001, 4005)[number % 4]
    label = {"region": f"region-{number}"}
    return {"id": f"flood-{number}", "system": "streampixel", "code": code, "labels": label}


def _timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def test_twenty_thousand_label_values_become_other_and_the_total_stays_exact(
    tmp_path: Path,
) -> None:
    """Row 18; a million of them in `make faults`."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        found = flood(exporter, 20_000)
        assert found.counted == 20_000
        assert found.other == 20_000 - 50
        assert found.values == 52, "50, other, and none"
        assert found.lines <= 2000
        assert found.scrape < 1
        assert exporter.total("session_exporter_capped_label_values_total") == 20_000 - 50
        parses(exporter, promtool=True)


UNCAPPED = """
from exporter.ingest.labels import LabelValues
LabelValues._bound = lambda self, seen, value: value
"""


def test_a_cap_that_is_not_kept_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE, mutant=UNCAPPED) as exporter:
        assert flood(exporter, 3000).lines > 2000
