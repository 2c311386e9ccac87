"""The ops listener's routes."""

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import names
from exporter.ledger.contract import Status, Totals
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.ops.history import History
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.asking import Ops

OM = "application/openmetrics-text;version=1.0.0"
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


def test_every_path_answers_get_and_head_and_refuses_other_methods() -> None:
    ops = Ops()
    for path in PATHS:
        got, head = ops.get(path), ops.get(path, "HEAD")
        assert got.status == head.status == 200, path
        assert got.headers["content-type"] == head.headers["content-type"]
        refused = ops.get(path, "DELETE")
        assert refused.status == 405
        assert refused.headers["content-type"] == "application/problem+json"
        assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", "))


def test_a_path_that_is_not_there_is_a_problem() -> None:
    answer = Ops().get("/metrics/")
    assert answer.status == 404
    assert json.loads(answer.body)["reason"] == "not_found"


def test_a_defect_is_answered_as_a_problem_without_its_text() -> None:
    ops = Ops()

    async def broken(_: object) -> None:
        raise RuntimeError("secret text")

    ops.pages.add_route("/broken", broken)  # type: ignore[arg-type]

    async def ask() -> bytes:
        sent: list[bytes] = []

        async def send(message: object) -> None:
            sent.append(json.dumps(message, default=bytes.decode).encode())

        scope = {"type": "http", "method": "GET", "path": "/broken", "headers": []}
        with pytest.raises(RuntimeError):
            await ops.pages(scope, None, send)  # type: ignore[arg-type]
        return b"".join(sent)

    sent = asyncio.run(ask())
    assert b"internal" in sent
    assert b"secret text" not in sent


# --- /metrics ------------------------------------------------------------------------------------------


def test_metrics_are_text_unless_openmetrics_is_asked_for() -> None:
    ops = Ops()
    assert ops.get("/metrics").headers["content-type"] == TEXT
    answer = ops.get("/metrics", accept=OM)
    assert answer.headers["content-type"] == OPENMETRICS
    assert "accept" in answer.headers["vary"]
    assert "session_ends" in {family.name for family in parse_openmetrics(answer.text)}


def test_metrics_and_pages_are_compressed_when_the_client_accepts_gzip() -> None:
    ops = Ops()
    for path, text in (("/metrics", b"session_ends_total{"), ("/codes", b"</html>")):
        answer = ops.get(path, accept_encoding="gzip")
        assert answer.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["vary"]
        assert text in gzip.decompress(answer.body)
        assert text in ops.get(path).body


def test_a_scrape_measures_the_time_it_took() -> None:
    ops = Ops()
    ops.get("/metrics")
    assert f"{names.SCRAPE_SECONDS}_count 1.0" in ops.get("/metrics").text


def test_metrics_are_served_while_the_ledger_can_not_take_events() -> None:
    ops = Ops(StillLedger(state=Status(problem="disk full")))
    assert ops.get("/metrics").status == 200


@dataclass
class MeetingLedger(StillLedger):
    """Notes on which threads totals are asked for, and whether two ever ask at once."""

    threads: set[int] = field(default_factory=set)
    met: bool = False
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def totals(self) -> Totals:
        self.threads.add(threading.get_ident())
        try:
            self.barrier.wait(timeout=0.2)
            self.met = True
        except threading.BrokenBarrierError:
            pass
        return super().totals()


def test_scrapes_are_rendered_one_at_a_time_and_not_on_the_event_loop() -> None:
    ledger = MeetingLedger([total(5)])
    ops = Ops(ledger, history=History(StillLedger().totals))

    async def twice() -> None:
        await asyncio.gather(ops.ask("/metrics"), ops.ask("/metrics"))

    asyncio.run(twice())
    assert not ledger.met
    assert threading.get_ident() not in ledger.threads


def test_pages_are_not_made_on_the_event_loop() -> None:
    ledger = MeetingLedger([total(5)])
    ops = Ops(ledger)
    ops.history.sample()  # type: ignore[union-attr]
    ledger.threads.clear()

    async def thrice() -> None:
        await asyncio.gather(ops.ask("/"), ops.ask("/codes"), ops.ask("/codes/alpha/1001"))

    asyncio.run(thrice())
    assert ledger.threads
    assert threading.get_ident() not in ledger.threads


@pytest.mark.parametrize(
    ("imported", "unused"),
    [
        (
            "exporter.serve, exporter.ops.app",
            "('jinja2', 'rich', 'exporter.runbooks', 'exporter.lookup', 'exporter.ops.m')",
        ),
        ("exporter.ops.runbook_index", "('rich',)"),
    ],
)
def test_a_scrape_loads_no_part_of_the_pages_and_no_page_what_draws_in_terminals(
    imported: str, unused: str
) -> None:
    """Jinja2 and the runbooks take 0.3 s to import."""
    program = f"import sys, {imported}; print([m for m in sys.modules if m.startswith({unused})])"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


# --- health ------------------------------------------------------------------------------------------


def test_healthy_is_ok_whatever_the_ledger_says() -> None:
    answer = Ops(StillLedger(state=Status(problem="disk full"))).get(names.HEALTHY_PATH)
    assert (answer.status, answer.text) == (200, "ok")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status(problem="the disk is full"), "the disk is full"),
        (Status(damaged="/var/lib/x/ledger.damaged-1"), "moved to ledger.damaged-1;"),
        (Status(problem="first", damaged="second"), "first"),
    ],
)
def test_unready_says_why_with_503(status: Status, reason: str) -> None:
    answer = Ops(StillLedger(state=status)).get(names.READY_PATH)
    assert answer.status == 503
    detail = json.loads(answer.body)["detail"]
    assert reason in detail
    assert "/var/lib" not in detail


def test_ready_when_the_damage_was_before_the_last_restart() -> None:
    ops = Ops(StillLedger(state=Status(damaged_at=1.0)))
    assert ops.get(names.READY_PATH).status == 200


# --- unknown codes ------------------------------------------------------------------------------------


def test_unknown_codes_are_a_json_list_last_seen_first() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", "05", 1_790_000_000.0)
    ops.unknown_codes.record("beta", "<b>", 1_790_000_060.0)
    ops.unknown_codes.record("alpha", "05", 1_790_000_001.0)
    assert json.loads(ops.get(names.UNKNOWN_CODES_PATH).body) == [
        {
            "system": "beta",
            "code": "<b>",
            "count": 1,
            "first_seen": "2026-09-21T14:14:20Z",
            "last_seen": "2026-09-21T14:14:20Z",
        },
        {
            "system": "alpha",
            "code": "05",
            "count": 2,
            "first_seen": "2026-09-21T14:13:20Z",
            "last_seen": "2026-09-21T14:13:21Z",
        },
    ]


# --- nothing leaves the host ---------------------------------------------------------------------------


def test_fastapi_does_not_send_telemetry_when_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails without `telemetry=`: FastAPI then tries an OTLP exporter and logs that grpc is wrong."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    ops = Ops()

    async def start() -> list[str]:
        inbox = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
        sent: list[str] = []

        async def receive() -> dict[str, str]:
            return inbox.pop()

        async def send(message: object) -> None:
            sent.append(message["type"])  # type: ignore[index]

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await ops.pages(scope, receive, send)
        return sent

    assert asyncio.run(start()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [record.getMessage() for record in caplog.records if record.name == "fastapi"] == []
