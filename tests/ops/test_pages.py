"""What people read: well-formed, escaped, and complete without a request or a script."""

import base64
import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from exporter import names
from exporter.ledger.contract import Family, Status
from exporter.ops.history import History
from exporter.ops.openapi import document
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
    f"{names.ALERTS_PATH}/BetaBudget",
    f"{names.ALERTS_PATH}/SessionEndExporterDown",
    f"{names.ALERTS_PATH}/AlphaStoped",
)


@pytest.mark.parametrize("path", HTML)
def test_a_page_is_well_formed_and_asks_for_nothing_elsewhere(path: str) -> None:
    read = Reader(Ops().get(path).text)
    assert all(ref.startswith(("/", "#")) and not ref.startswith("//") for ref in read.refs)
    assert not read.tags & {"link", "img", "iframe"}
    assert {"main", "h1", "title"} <= read.tags
    assert len(read.ids) == len(set(read.ids))
    assert {ref[1:] for ref in read.refs if ref.startswith("#")} <= set(read.ids)


@pytest.mark.parametrize("path", HTML)
def test_the_policy_allows_the_pages_own_style_and_script_and_no_other(path: str) -> None:
    answer = Ops().get(path)
    policy = dict(
        directive.split(" ", 1)
        for directive in answer.headers["content-security-policy"].split("; ")
    )
    assert policy.pop("default-src") == "'none'"
    for tag in ("style", "script"):
        allowed = policy.pop(f"{tag}-src").split(" ")
        assert all(source.startswith("'sha256-") for source in allowed)
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", answer.text, re.S)
        assert len(found) <= 1
        for text in found:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in allowed
    assert policy == {"base-uri": "'none'", "form-action": "'self'", "frame-ancestors": "'none'"}
    assert not re.search(r" (style|on\w+)=", answer.text)


def test_links_lead_to_pages_that_are_there() -> None:
    ops = Ops()
    refs = [ref for ref in Reader(ops.get("/").text).refs if ref.startswith("/")]
    assert {names.METRICS_PATH, names.CODES_PATH, names.ALERTS_PATH} <= set(refs)
    assert {ops.get(ref).status for ref in refs} == {200}


def test_the_landing_page_says_what_is_counted_and_where() -> None:
    ledger = StillLedger(
        [total(1234567), total(5, family=Family.LATE), total(7, family=Family.INTERRUPTIONS)],
        ledger="k3f9",
    )
    ops = Ops(ledger)
    ops.own.accepted.inc(42)
    said = Reader(ops.get("/").text).said
    assert "1,234,572" in said
    for fact in ("Ready:", "k3f9", "42", "Alpha", "7"):
        assert fact in said
    assert "Warning" not in said


def test_the_landing_page_says_what_came_and_what_failed_in_the_last_minutes() -> None:
    ledger = StillLedger([total(100), total(50, family=Family.LATE)])
    clock = Clock()
    ops = Ops(ledger, history=History(ledger.totals, clock))
    ops.get("/")
    clock.now += 30
    ledger.series = [total(104), total(52, family=Family.LATE)]
    read = Reader(ops.get("/").text)
    assert "6 events accepted, 4 of them failed sessions." in read.said
    assert f"{names.CODES_PATH}/alpha/1001" in read.refs
    for _ in range(10):
        clock.now += 60
        ops.history.sample()  # type: ignore[union-attr]
    read = Reader(ops.get("/").text)
    assert "0 events accepted, 0 of them failed sessions." in read.said
    assert f"{names.CODES_PATH}/alpha/1001" not in read.refs


def test_the_landing_page_says_why_it_is_not_ready() -> None:
    said = Reader(Ops(StillLedger(state=Status(problem="disk full"))).get("/").text).said
    assert "Not ready: disk full" in said


def test_texts_from_outside_are_escaped() -> None:
    systems = two_systems()
    evil = dataclasses.replace(systems.systems["alpha"], title=EVIL)
    ops = Ops(
        StillLedger(ledger=EVIL, state=Status(problem=EVIL)),
        taxonomy=dataclasses.replace(systems, systems={EVIL: evil}),
    )
    for path in ("/", names.DOCS_PATH):
        page = ops.get(path).text
        assert "<script" not in page
        assert EVIL in Reader(page).said


@pytest.mark.parametrize(
    ("status", "said"),
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
def test_a_status_to_know_about_is_a_warning(status: Status, said: str) -> None:
    assert said in Reader(Ops(StillLedger(state=status)).get("/").text).said


@pytest.mark.parametrize(
    ("counter", "said"),
    [
        ("commit_failures", "Ledger transactions that failed since the start: 3;"),
        ("at_least_once", "occurred_at): 3;"),
        ("unknown", "no taxonomy has: 3;"),
        ("capped", "became `other`: 3;"),
    ],
)
def test_a_counter_to_know_about_is_a_warning(counter: str, said: str) -> None:
    ops = Ops(settings=Settings(labels=("region",)))
    found = getattr(ops.own, counter)
    label = {"unknown": "alpha", "capped": "region"}.get(counter)
    (found.labels(label) if label else found).inc(3)
    assert said in Reader(ops.get("/").text).said


def test_forgotten_unknown_codes_are_a_warning() -> None:
    ops = Ops()
    for place in range(101):
        ops.unknown_codes.record("alpha", str(place), 1.0)
    assert "dropped from the full list: 1." in Reader(ops.get("/").text).said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            Settings(ingest="0.0.0.0:1", allow_anonymous="ingest"),
            "ingest listener (0.0.0.0:1) is open",
        ),
        (
            Settings(ops="example.org:1", allow_anonymous="ops"),
            "ops listener (example.org:1) is open",
        ),
        (Settings(ops="[::]:1", ops_token_file=Path("t")), "takes tokens without TLS"),
        (Settings(ingest="[::1]:1", ops="localhost:1"), None),
        (
            Settings(
                ops="[::]:1",
                ops_token_file=Path("t"),
                ops_tls_cert=Path("c"),
                ops_tls_key=Path("k"),
            ),
            None,
        ),
    ],
)
def test_a_listener_beyond_loopback_without_token_or_tls_is_a_warning(
    settings: Settings, said: str | None
) -> None:
    text = Reader(Ops(settings=settings).get("/").text).said
    assert said in text if said else "Warning" not in text


def test_docs_show_every_path_schema_and_field() -> None:
    said = Reader(Ops().get(names.DOCS_PATH).text).said
    for word in (names.INGEST_PATH, "application/x-ndjson", "duration_seconds", "Problem", "curl"):
        assert word in said


def test_prose_of_the_description_is_escaped() -> None:
    described = document(Settings(), two_systems())
    described["tags"][0]["description"] = f"{EVIL} and `{EVIL}`"
    page = bytes(render("docs.html", document=described).body).decode()
    assert "<script" not in page
    assert f"{EVIL} and {EVIL}" in Reader(page).said
