"""Pages of the ops listener: well-formed, escaped and complete; the landing page has counts and warnings."""

import dataclasses
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from exporter import names
from exporter.ledger.contract import Family, Status
from exporter.ops.render import render
from exporter.settings import Settings
from tests.metrics.still_ledger import StillLedger, total, two_systems
from tests.ops.ops_app import Ops, Page

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


def landing(ops: Ops) -> str:
    return Page(ops.get("/").text).text


def test_every_page_is_well_formed_has_links_that_exist_and_needs_no_other_file() -> None:
    ops, links = Ops(), set()
    for path in HTML:
        page = Page(ops.get(path).text)
        assert all(ref.startswith(("/", "#")) and not ref.startswith("//") for ref in page.refs)
        assert not page.tags & {"link", "img", "iframe"}
        assert {"main", "h1", "title"} <= page.tags
        assert len(page.ids) == len(set(page.ids))
        assert {ref[1:] for ref in page.refs if ref.startswith("#")} <= set(page.ids), path
        links |= {ref.partition("#")[0] for ref in page.refs if ref.startswith("/")}
    assert {ops.get(link).status_code for link in links} == {200}


def test_policy_allows_only_styles_and_scripts_with_a_hash() -> None:
    """tests/pages fails for a page whose style or script has another hash."""
    policy = re.sub(
        r" 'sha256-[\w+/=]+'", " HASH", Ops().get("/").headers["content-security-policy"]
    )
    assert policy.split("; ") == [
        "default-src 'none'",
        "style-src HASH",
        "script-src HASH",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]


def test_landing_page_shows_state_and_links() -> None:
    page = Page(Ops(StillLedger(ledger="k3f9")).get("/").text)
    for fact in ("Ready:", "k3f9"):
        assert fact in page.text
    assert "Warning" not in page.text
    assert {names.METRICS_PATH, names.CODES_PATH, names.ALERTS_PATH} <= set(page.refs)


def test_landing_page_shows_events_and_failures_of_the_last_minutes() -> None:
    ops = Ops(StillLedger([total(100), total(50, family=Family.LATE)]))
    ops.clock.now += 30
    others = [total(7, code="unknown"), total(9, code="none")]
    ops.ledger.series = [total(104), total(52, family=Family.LATE), *others]
    html = ops.get("/").text
    page = Page(html)
    assert "22 events accepted, 11 of them failed sessions." in page.text
    assert "at most 22, the latest in this minute. A restart" in page.text
    failed = [ref for ref in page.refs if ref.startswith(f"{names.CODES_PATH}/")]
    assert failed == [f"{names.CODES_PATH}/alpha/{code}" for code in ("unknown", "1001")]
    assert html.count("<rect") == 1
    ops.wait(10)
    page = Page(ops.get("/").text)
    assert "0 events accepted, 0 of them failed sessions." in page.text
    assert "the latest 10 min ago." in page.text
    assert f"{names.CODES_PATH}/alpha/1001" not in page.refs


def test_bars_of_the_chart_are_proportional_with_a_minimum() -> None:
    ops = Ops(StillLedger([total(0)]))
    for value in (1, 501, 1501):
        ops.ledger.series = [total(value)]
        ops.wait(1)
    bars = re.findall(r'<rect x="(\d+)" y="[\d.]+" width="5" height="([\d.]+)"', ops.get("/").text)
    assert bars == [("354", "60.0"), ("348", "30.0"), ("342", "3")]


def test_texts_are_escaped() -> None:
    systems = two_systems()
    evil = dataclasses.replace(systems.systems["alpha"], title=EVIL)
    ops = Ops(
        StillLedger(ledger=EVIL, state=Status(problem=EVIL)),
        taxonomy=dataclasses.replace(systems, systems={EVIL: evil}),
        settings=Settings(labels=("region",)),
    )
    for path in ("/", names.DOCS_PATH):
        html = ops.get(path).text
        assert "<script" not in html
        assert EVIL in Page(html).text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status(damaged_at=1_790_000_000.0), "moved aside on 2026-09-21 14:13 UTC"),
        (Status(problem="disk full"), "Not ready: disk full"),
        (Status(misconfigured={"appendonly": "It is off."}), "It is off."),
    ],
)
def test_state_of_the_ledger_is_shown(status: Status, words: str) -> None:
    assert words in landing(Ops(StillLedger(state=status)))


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
def test_public_listener_without_token_or_tls_is_a_warning(
    settings: dict[str, object], words: str | None
) -> None:
    text = landing(Ops(settings=Settings(**settings)))  # type: ignore[arg-type]
    assert words in text if words else "Warning" not in text


def test_docs_show_every_path_and_field() -> None:
    text = Page(Ops().get(names.DOCS_PATH).text).text
    for words in (
        "POST /v1/session-ends",
        "application/x-ndjson: An Event per line",
        "duration_seconds number ≥ 0 ≤ 31622400 or null",
        "curl -sS --fail-with-body http://127.0.0.1:10400/v1/session-ends",
        "default Refused; nothing of the request was counted.",
    ):
        assert words in text


def test_missing_template_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render("alerts.html")
