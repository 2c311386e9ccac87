"""The routes of the ops listener."""

import asyncio
import gzip
import sys
import threading
from dataclasses import dataclass, field

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from starlette.requests import Request
from uvicorn import Config
from uvicorn.lifespan.on import LifespanOn

from exporter import names
from exporter.ledger.contract import Status, Totals
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.settings import Settings
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops
from tests.programs import output

PATHS = (
    "/",
    names.CODES_PATH,
    f"{names.CODES_PATH}/alpha/1001",
    names.ALERTS_PATH,
    f"{names.ALERTS_PATH}/SessionEndsStopped",
    names.METRICS_PATH,
    names.HEALTHY_PATH,
    names.READY_PATH,
    names.UNKNOWN_CODES_PATH,
    names.OPENAPI_PATH,
    names.DOCS_PATH,
)


def test_every_path_answers_get_and_head_only() -> None:
    ops = Ops()
    for path in PATHS:
        get, head, delete = (ops.get(path, method) for method in ("GET", "HEAD", "DELETE"))
        assert get.status_code == head.status_code == 200, path
        assert get.headers["content-type"] == head.headers["content-type"]
        assert delete.status_code == 405
        assert delete.headers["content-type"] == "application/problem+json"
        assert {"GET", "HEAD"} <= set(delete.headers["allow"].split(", "))


@pytest.mark.parametrize("path", ["/metrics/", "/codes/alpha/1001/more"])
def test_unknown_path_is_a_problem(path: str) -> None:
    answer = Ops().get(path)
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert answer.json()["detail"] == "the pages of this listener are listed at /"
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "path", [names.INGEST_PATH, names.BEACONS_PATH + "key", names.BUILDS_PATH + "token"]
)
def test_events_for_the_ingest_listener_are_refused_with_its_address(path: str) -> None:
    answer = Ops(settings=Settings(ingest="0.0.0.0:10499")).get(path, "POST")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
    assert answer.json()["detail"] == (
        "this is the ops listener; send events to the ingest listener, http://localhost:10499"
    )


def test_defect_is_a_problem_without_details() -> None:
    ops = Ops()

    async def defect(_: Request) -> None:
        raise RuntimeError("secret text")

    ops.app.add_route("/defect", defect)  # type: ignore[arg-type]
    answer = ops.get("/defect")
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal")
    assert "secret text" not in answer.text


def test_metrics_are_text_unless_openmetrics_is_accepted() -> None:
    ops = Ops()
    assert ops.get("/metrics").headers["content-type"] == TEXT
    answer = ops.get("/metrics", accept="application/openmetrics-text;version=1.0.0")
    assert answer.headers["content-type"] == OPENMETRICS
    assert "accept" in answer.headers["vary"]
    assert "session_ends" in {family.name for family in parse_openmetrics(answer.text)}


@pytest.mark.parametrize(("path", "text"), [("/metrics", "session_ends_total{"), ("/", "</html>")])
def test_gzip_is_used_if_accepted(path: str, text: str) -> None:
    plain, packed = Ops().get(path), Ops().get(path, accept_encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert text in plain.text
    assert text in packed.text


def test_metrics_are_compressed_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails when the middleware compresses them: events wait for the event loop."""
    threads: set[int] = set()
    compress = gzip.compress

    def recorded(body: bytes, level: int, *, mtime: float) -> bytes:
        threads.add(threading.get_ident())
        return compress(body, level, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", recorded)
    assert Ops().get("/metrics", accept_encoding="gzip").status_code == 200
    assert threads
    assert threading.get_ident() not in threads


def test_duration_of_a_scrape_is_measured() -> None:
    ops = Ops()
    ops.get("/metrics")
    assert f"{names.SCRAPE_SECONDS}_count 1.0" in ops.get("/metrics").text


@dataclass
class ThreadRecorder(StillLedger):
    """Records the threads that read totals, and whether two read at the same time."""

    threads: set[int] = field(default_factory=set)
    concurrent: bool = False
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def totals(self) -> Totals:
        self.threads.add(threading.get_ident())
        try:
            self.barrier.wait(timeout=0.2)
            self.concurrent = True
        except threading.BrokenBarrierError:
            pass
        return super().totals()


@pytest.mark.parametrize("path", ["/metrics", "/"])
def test_requests_are_answered_one_at_a_time_in_another_thread(path: str) -> None:
    ledger = ThreadRecorder([total(5)])
    ops = Ops(ledger)
    ledger.threads.clear()

    async def request_twice() -> None:
        await asyncio.gather(ops.send(path), ops.send(path))

    asyncio.run(request_twice())
    assert not ledger.concurrent
    assert ledger.threads
    assert threading.get_ident() not in ledger.threads


def test_modules_are_imported_when_they_are_needed() -> None:
    """Fails when a module is imported at the start: Jinja2 and the runbooks take 0.3 s, httpx 0.2 s,
    protobuf 60 ms. `promql_parser` is an optional package."""
    later = (
        *(
            "jinja2",
            "rich",
            "httpx",
            "exporter.runbooks",
            "exporter.lookup",
            "exporter.ops.openapi",
        ),
        *("google.protobuf", "promql_parser"),
    )
    program = (
        "import sys, exporter.cli\n"
        "assert 'numpy' not in sys.modules\n"
        "import exporter.serve, exporter.ops.app\n"
        f"assert not [m for m in sys.modules if m.startswith({later})]\n"
        "import exporter.ops.pages\n"
        "assert {'rich', 'markdown_it'}.isdisjoint(sys.modules)"
    )
    output(sys.executable, "-c", program)


def test_ready_names_the_problem_with_503() -> None:
    ops = Ops()
    for status, reason in (
        (Status(alive=False, problem="x"), "the ledger's writer has ended; restart the exporter"),
        (Status(problem="the disk is full"), "the disk is full"),
        (Status(damaged="/var/lib/x/ledger.damaged-1"), "moved to ledger.damaged-1;"),
        (Status(problem="first", damaged="second"), "first"),
    ):
        ops.ledger.state = status
        answer = ops.get(names.READY_PATH)
        assert answer.status_code == 503
        assert reason in answer.json()["detail"]
        assert "/var/lib" not in answer.json()["detail"]
        # Events are taken after a damaged ledger was moved aside.
        assert answer.json()["title"] == "The exporter is not ready"
    ops.ledger.state = Status(damaged_at=1.0)
    assert ops.get(names.READY_PATH).status_code == 200, "a damage before the last restart"


def test_fastapi_sends_no_telemetry(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without `telemetry=`: FastAPI would start an OTLP exporter and log that grpc is missing."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    lifespan = LifespanOn(Config(Ops().app, log_config=None))

    async def run() -> None:
        await lifespan.startup()
        await lifespan.shutdown()

    asyncio.run(run())
    assert not lifespan.should_exit
    assert [record.getMessage() for record in caplog.records if record.name == "fastapi"] == []
