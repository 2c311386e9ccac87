"""The page of a code and of an alert: complete, consistent with the rules, and escaped."""

import dataclasses
import re

import pytest

from exporter.ledger.contract import Family
from exporter.rule_files import alerts, alerts_of
from exporter.runbooks import pages
from exporter.runbooks.pages import QueryLinks
from exporter.settings import Settings
from exporter.taxonomy.loader import load
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops, Page

SHIPPED = load(())
CODES = [code for system in SHIPPED.systems.values() for code in (*system.codes, system.unknown)]
SECTIONS = ("meaning", "impact", "mitigation", "diagnosis", "shared", "alerts", "facts")
EVIL = "<script>alert(1)</script>&\"'"


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("system", "code"), [("streampixel", "4001"), ("softdrive", "1003")])
def test_page_has_runbook_taxonomy_row_and_alerts(system: str, code: str) -> None:
    (row,) = (row for row in CODES if (row.system, row.code) == (system, code))
    html = Ops(taxonomy=SHIPPED).get(f"/codes/{system}/{code}").text
    text = Page(html).text
    own, shared = pages.of_code(SHIPPED.systems[system], row, (), QueryLinks())
    for part in (own.first, own.rest, shared.first, shared.rest):
        assert part in html
    for word in (row.causes, row.fix, row.owner, row.phase, row.outcome, *row.aliases):
        assert flat(word) in text
    for alert in alerts():
        link = f'href="/alerts/{alert.name}">{alert.name}</a>: '
        assert (link in html) is (alert in alerts_of(row))


def test_parts_of_a_page_are_ordered_by_urgency() -> None:
    html = Ops(taxonomy=SHIPPED).get("/codes/streampixel/4001").text
    head = ("<h1>", 'class="subtitle"', 'class="first"', "Counted here")
    places = [html.index(part) for part in (*head, *map('id="{}"'.format, SECTIONS))]
    assert places == sorted(places)


def test_queries_link_to_the_configured_prometheus() -> None:
    settings = Settings(prometheus_url="https://prometheus.example/")
    page = Ops(settings=settings, taxonomy=SHIPPED).get("/codes/streampixel/4001").text
    assert page.count('<a href="https://prometheus.example/graph?g0.expr=') == page.count("copies=")
    assert "Open in" not in Ops(taxonomy=SHIPPED).get("/codes/streampixel/4001").text


def test_code_without_alerts_says_so() -> None:
    text = Page(Ops(taxonomy=SHIPPED).get("/codes/streampixel/1000").text).text
    assert "None: this code wakes nobody and opens no ticket." in text


@pytest.mark.parametrize(
    ("system", "code", "signals"),
    [
        ("softdrive", "13", ["overrun", "elevated", "new"]),
        ("streampixel", "4001", ["spike", "queue", "elevated", "new"]),
        ("streampixel", "4002", ["spike", "elevated", "new"]),
        ("streampixel", "1000", []),
    ],
)
def test_alerts_of_a_code_can_fire_for_it(system: str, code: str, signals: list[str]) -> None:
    row = SHIPPED.systems[system].match(code)
    assert [alert.signal for alert in alerts_of(row)] == signals


def test_page_shows_the_counts_of_its_code() -> None:
    ops = Ops(StillLedger([total(2000)]))
    ops.ledger.series = [
        total(2034),
        total(5, family=Family.LATE),
        total(7, family=Family.INTERRUPTIONS),
        total(99, code="10"),
    ]
    html = ops.get("/codes/alpha/1001").text
    assert re.findall(r"<dd>([\d,]+)</dd><dt>([^<]+)</dt>", html) == [
        ("34", "last 5 min"),
        ("34", "since the start"),
        ("2,039", "in all"),
    ]
    text = Page(html).text
    assert "5 of them arrived late." in text
    assert "7 interruptions that recovered." in text
    assert "As of 2026-09-21 14:13:20 UTC" in text
    assert "A restart of the exporter empties this chart" in text


@pytest.mark.parametrize("path", ["/codes/softdrive/8", "/codes/softdrive/MonitorTopologyFail"])
def test_other_spellings_redirect_to_the_code(path: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/codes/softdrive/08")


def test_each_alert_has_a_page_with_its_rule() -> None:
    ops = Ops(taxonomy=SHIPPED)
    for alert in alerts():
        answer = ops.get(f"/alerts/{alert.name}")
        assert answer.status_code == 200
        text = Page(answer.text).text
        for word in (alert.name, "Meaning", "Impact", "Mitigation", "Diagnosis", "Rule"):
            assert word in text
        assert flat(alert.expr) in text


def test_list_of_alerts_is_complete_and_has_summaries_and_severities() -> None:
    html = Ops().get("/alerts").text
    for alert in alerts():
        assert html.count(f">{alert.name}<") == 1
    text = Page(html).text
    assert "SessionEndSpike <code> <name> spike on <system> severity of the code" in text
    assert "SessionEndExporterDown The exporter <instance> is down wakes on-call" in text


def test_page_of_unknown_shows_the_codes_as_sent() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", EVIL, 1_790_000_000.0, 3)
    ops.unknown_codes.record("beta", "elsewhere", 1_790_000_000.0)
    ops.unknown_codes.record("alpha", "evil\u202e40\u200b01\n\ud800", 1_790_000_000.0)
    html = ops.get("/codes/alpha/unknown").text
    assert "<script>alert" not in html
    assert EVIL in Page(html).text
    assert "elsewhere" not in html
    assert "2026-09-21 14:13:20 UTC" in html
    assert "<code>evil\\u202e40\\u200b01\\n?</code>" in html


def test_texts_of_a_taxonomy_are_escaped() -> None:
    alpha = SHIPPED.systems["streampixel"]
    texts = ("name", "description", "causes", "fix")
    evil = dataclasses.replace(
        alpha.codes[5], aliases=(EVIL,), **dict.fromkeys(texts, EVIL), category=EVIL
    )
    system = dataclasses.replace(
        alpha, title=EVIL, source=EVIL, codes=(*alpha.codes[:5], evil, *alpha.codes[6:])
    )
    ops = Ops(taxonomy=dataclasses.replace(SHIPPED, systems={"streampixel": system}))
    for path in ("/codes", f"/codes/streampixel/{evil.code}", "/codes/streampixel/1"):
        html = ops.get(path).text
        assert "<script>alert" not in html
        assert EVIL in Page(html).text
