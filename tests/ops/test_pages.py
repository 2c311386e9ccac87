"""What people read: well-formed, escaped, and complete without a request or a script."""

import base64
import dataclasses
import hashlib
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from exporter import names
from exporter.ledger.contract import Family, Status
from exporter.ops.history import History
from exporter.ops.render import render
from exporter.settings import Settings
from tests.metrics.still_ledger import StillLedger, total, two_systems
from tests.ops.asking import Clock, Ops
from tests.ops.reader import Reader

EVIL = "<script>alert(1)</script>&\"'<https://evil|x>"
HTML = (
    "/",
    names.DOCS_PATH,
    names.CODES_PATH,
    f"{names.CODES_PATH}?q=nothing+at+all",
    f"{names.CODES_PATH}/alpha/1001",
    f"{names.CODES_PATH}/alpha/unknown",
    f"{names.CODES_PATH}/alpha/1002",
    names.ALERTS_PATH,
    f"{names.ALERTS_PATH}/SessionEndExporterDown",
    f"{names.ALERTS_PATH}/AlphaStoped",
)


def test_every_page_is_well_formed_and_needs_no_further_request() -> None:
    ops = Ops()
    for path in HTML:
        read = Reader(ops.get(path).text)
        assert all(ref.startswith(("/", "#")) and not ref.startswith("//") for ref in read.refs)
        assert not read.tags & {"link", "img", "iframe"}
        assert {"main", "h1", "title"} <= read.tags
        assert len(read.ids) == len(set(read.ids))
        assert {ref[1:] for ref in read.refs if ref.startswith("#")} <= set(read.ids), path


def test_the_policy_allows_the_pages_own_style_and_script_only() -> None:
    ops = Ops()
    for path in HTML:
        answer = ops.get(path)
        policy = dict(
            directive.split(" ", 1)
            for directive in answer.headers["content-security-policy"].split("; ")
        )
        assert policy.pop("default-src") == "'none'"
        for tag in ("style", "script"):
            allowed = policy.pop(f"{tag}-src").split(" ")
            assert all(source.startswith("'sha256-") for source in allowed)
            texts = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.S)
            assert len(texts) <= 1
            for text in texts:
                digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in allowed, path
        assert policy == {
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }
        assert not re.search(r" (style|on\w+)=", answer.text)


def test_links_of_the_landing_page_lead_to_pages() -> None:
    ops = Ops()
    refs = [ref for ref in Reader(ops.get("/").text).refs if ref.startswith("/")]
    assert {names.METRICS_PATH, names.CODES_PATH, names.ALERTS_PATH} <= set(refs)
    assert {ops.get(ref).status for ref in refs} == {200}


def test_the_landing_page_shows_totals_and_facts() -> None:
    ledger = StillLedger(
        [total(1234567), total(5, family=Family.LATE), total(7, family=Family.INTERRUPTIONS)],
        ledger="k3f9",
    )
    ops = Ops(ledger)
    ops.own.accepted.inc(42)
    said = Reader(ops.get("/").text).said
    for fact in ("Ready:", "1,234,572", "k3f9", "42", "Alpha", "7"):
        assert fact in said
    assert "Warning" not in said


def test_the_landing_page_shows_events_and_failures_of_the_last_minutes() -> None:
    ledger = StillLedger([total(100), total(50, family=Family.LATE)])
    clock = Clock()
    ops = Ops(ledger, history=History(ledger.totals, clock))
    ops.get("/")
    clock.now += 30
    ledger.series = [total(104), total(52, family=Family.LATE)]
    page = ops.get("/").text
    read = Reader(page)
    assert "6 events accepted, 4 of them failed sessions." in read.said
    assert "at most 6, the latest in this minute. A restart" in read.said
    assert f"{names.CODES_PATH}/alpha/1001" in read.refs
    assert page.count("<rect") == 1
    for _ in range(10):
        clock.now += 60
        ops.history.sample()  # type: ignore[union-attr]
    read = Reader(ops.get("/").text)
    assert "0 events accepted, 0 of them failed sessions." in read.said
    assert "the latest 10 min ago." in read.said
    assert f"{names.CODES_PATH}/alpha/1001" not in read.refs


def test_bars_of_the_chart_are_in_proportion_and_the_smallest_can_be_seen() -> None:
    ledger = StillLedger([total(0)])
    clock = Clock()
    ops = Ops(ledger, history=History(ledger.totals, clock))
    ops.get("/")
    for value in (1, 501, 1501):
        ledger.series = [total(value)]
        clock.now += 60
        ops.history.sample()  # type: ignore[union-attr]
    bars = re.findall(r'<rect x="(\d+)" y="[\d.]+" width="5" height="([\d.]+)"', ops.get("/").text)
    assert bars == [("354", "60.0"), ("348", "30.0"), ("342", "3")]


def test_the_landing_page_shows_why_it_is_not_ready() -> None:
    said = Reader(Ops(StillLedger(state=Status(problem="disk full"))).get("/").text).said
    assert "Not ready: disk full" in said


def test_texts_from_outside_are_escaped() -> None:
    systems = two_systems()
    evil = dataclasses.replace(systems.systems["alpha"], title=EVIL)
    ops = Ops(
        StillLedger(ledger=EVIL, state=Status(problem=EVIL)),
        taxonomy=dataclasses.replace(systems, systems={EVIL: evil}),
        settings=Settings(labels=("region",)),
    )
    for path in ("/", names.DOCS_PATH):
        page = ops.get(path).text
        assert "<script" not in page
        assert EVIL in Reader(page).said


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(damaged_at=1_790_000_000.0), "moved aside on 2026-09-21 14:13 UTC"),
        (
            Status(window_expired={"ids": 1}, window_span=7200.0, window_capacity=10),
            "reaches back only 2.0 h",
        ),
        (Status(lost_events=7), "after they were counted: 7."),
        (Status(misconfigured={"appendonly": "It is off."}), "It is off."),
    ],
)
def test_a_state_of_the_ledger_is_a_warning(status: Status, words: str) -> None:
    assert words in Reader(Ops(StillLedger(state=status)).get("/").text).said


def test_counters_of_doubtful_events_are_warnings() -> None:
    ops = Ops(settings=Settings(labels=("region",)))
    ops.own.commit_failures.inc(3)
    ops.own.at_least_once.inc(4)
    ops.own.unknown.labels("alpha").inc(5)
    ops.own.capped.labels("region").inc(6)
    for place in range(101):
        ops.unknown_codes.record("alpha", str(place), 1.0)
    said = Reader(ops.get("/").text).said
    for words in (
        "Ledger transactions that failed since the start: 3;",
        "occurred_at): 4;",
        "no taxonomy has: 5;",
        "became `other`: 6;",
        "dropped from the full list: 1.",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"ingest": "0.0.0.0:1", "allow_anonymous": "ingest"},
            "ingest listener (0.0.0.0:1) is open",
        ),
        ({"ops": "[::]:1", "ops_token_file": Path("t")}, "takes tokens without TLS"),
        ({"ingest": "[::1]:1", "ops": "localhost:1"}, None),
        (
            {
                "ops": "[::]:1",
                **dict.fromkeys(("ops_token_file", "ops_tls_cert", "ops_tls_key"), Path("x")),
            },
            None,
        ),
    ],
)
def test_a_listener_beyond_loopback_without_token_or_tls_is_a_warning(
    settings: dict[str, object], words: str | None
) -> None:
    said = Reader(Ops(settings=Settings(**settings)).get("/").text).said  # type: ignore[arg-type]
    assert words in said if words else "Warning" not in said


def test_docs_show_every_path_and_field() -> None:
    said = Reader(Ops().get(names.DOCS_PATH).text).said
    for words in (
        "POST /v1/session-ends",
        "application/x-ndjson: an Event per line",
        "duration_seconds number ≥ 0 ≤ 31622400 or null",
        "curl -sS --fail-with-body http://127.0.0.1:10400/v1/session-ends",
        "429 Too many requests (throttled)",
    ):
        assert words in said


def test_a_list_of_alerts_shows_summary_and_severity() -> None:
    said = Reader(Ops().get(names.ALERTS_PATH).text).said
    assert "SessionEndSpike <code> <name> spike on <system> severity of the code" in said
    assert "SessionEndExporterDown The exporter <instance> is down wakes on-call" in said


def test_a_page_without_a_value_that_its_template_needs_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("alerts.html")
