"""What people read: well-formed, escaped, and complete without a request or a script."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from exporter import names
from exporter.ledger.contract import Family, Status
from exporter.ops.docs import docs
from exporter.ops.openapi import document
from exporter.settings import Settings
from tests.metrics.still_ledger import StillLedger, total, two_systems
from tests.ops.asking import Ops

EVIL = "<script>alert(1)</script>&\"'<https://evil|x>"
VOID = {"meta", "br", "link"}


class Reader(HTMLParser):
    """Fails on tags that are not closed in order; collects ids, references, tags and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.refs: list[str] = []
        self.tags: set[str] = set()
        self.said = ""
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.stack.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src"):
                self.refs.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize("path", ["/", names.DOCS_PATH])
def test_a_page_is_well_formed_and_asks_for_nothing_elsewhere(path: str) -> None:
    read = Reader(Ops().get(path).text)
    assert all(ref.startswith(("/", "#")) and not ref.startswith("//") for ref in read.refs)
    assert not read.tags & {"script", "link", "img", "iframe", "form"}
    assert {"main", "h1", "title"} <= read.tags
    assert len(read.ids) == len(set(read.ids))
    assert {ref[1:] for ref in read.refs if ref.startswith("#")} <= set(read.ids)


@pytest.mark.parametrize("path", ["/", names.DOCS_PATH])
def test_the_policy_allows_the_pages_style_and_no_other(path: str) -> None:
    answer = Ops().get(path)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert " style=" not in answer.text


def test_links_lead_to_pages_that_are_there() -> None:
    ops = Ops()
    refs = [ref for ref in Reader(ops.get("/").text).refs if ref.startswith("/")]
    assert names.METRICS_PATH in refs
    assert names.CODES_PATH not in refs
    assert {ops.get(ref).status for ref in refs} == {200}


def test_a_page_that_is_added_is_linked() -> None:
    ops = Ops()

    async def codes(_: object) -> None:
        """Never asked."""

    ops.pages.add_route(names.CODES_PATH, codes)  # type: ignore[arg-type]
    assert names.CODES_PATH in Reader(ops.get("/").text).refs


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
            "reaches back 2.0 h only",
        ),
    ],
)
def test_a_status_to_know_about_is_a_warning(status: Status, said: str) -> None:
    assert said in Reader(Ops(StillLedger(state=status)).get("/").text).said


@pytest.mark.parametrize(
    ("counter", "said"),
    [
        ("commit_failures", "3 ledger transactions failed"),
        ("at_least_once", "3 events came without an id"),
        ("unknown", "3 events had a code that no taxonomy has"),
        ("capped", "3 label values became `other`"),
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
    assert "1 unknown codes were forgotten" in Reader(ops.get("/").text).said


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
    page = docs(described)
    assert "<script" not in page
    assert f"{EVIL} and {EVIL}" in Reader(page).said
