"""Pages of codes and alerts: complete, consistent with the rules and escaped; search needs no script."""

import re
from dataclasses import replace
from urllib.parse import quote

import pytest

from exporter import runbooks
from exporter.ledger.contract import Family, Status
from exporter.lookup.codes import search
from exporter.rule_files import alerts, alerts_of
from exporter.runbooks import QueryLinks
from exporter.settings import Settings
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from exporter.taxonomy.spellings import index
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops, Page

SHIPPED = load(())
CODES = [code for system in SHIPPED.systems.values() for code in system.all_codes]
EVIL = "<script>alert(1)</script>&\"'"
ROW = re.compile(r'<tr>\s*<th scope="row">(.*?)</tr>', re.S)


@pytest.fixture(scope="module")
def ops() -> Ops:
    return Ops(taxonomy=SHIPPED)


def rows(html: str) -> list[str]:
    """The paths of the table's rows."""
    return [re.findall(r'href="([^"]+)"', row)[0] for row in ROW.findall(html)]


def test_every_code_has_a_row_that_links_to_its_runbook(ops: Ops) -> None:
    paths = rows(ops.get("/codes").text)
    assert paths == [f"/codes/{code.system}/{code.code}" for code in CODES]
    assert len(paths) == 38
    assert {ops.get(path).status_code for path in paths} == {200}


@pytest.mark.parametrize("query", ["4001", "softdrive 08", "error code 8", "timeout", "Capacity"])
def test_search_equals_the_command(ops: Ops, query: str) -> None:
    html = ops.get(f"/codes?q={quote(query)}").text
    paths = [code.runbook for code in search(SHIPPED, [query])]
    assert paths
    assert rows(html) == paths
    assert f"{len(paths)} of 38 codes" in html
    assert f'value="{query}"' in html
    assert "/codes?q=" not in html


def test_search_without_matches_has_suggestions(ops: Ops) -> None:
    html = ops.get("/codes?q=worker+nodee+unavailable").text
    assert rows(html) == []
    assert 'href="/codes?q=worker%20node%20unavailable"' in html


def test_rows_count_ends_of_5_minutes_an_hour_and_in_total() -> None:
    ops = Ops(StillLedger([total(1000)]))
    ops.ledger.series = [total(1020)]
    ops.wait(30)
    ops.ledger.series = [total(1023)]
    (row,) = (row for row in ROW.findall(ops.get("/codes").text) if "/alpha/1001" in row)
    assert re.findall(r'class="number[^"]*">([^<]*)<', row) == ["3", "23", "1,023"]


def test_query_is_escaped_and_cut(ops: Ops) -> None:
    html = ops.get(f"/codes?q={quote(chr(34) + '><script>alert(1)</script>')}").text
    assert "<script>alert" not in html
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)' in html
    assert "a" * 129 not in ops.get(f"/codes?q={'a' * 8000}").text


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("system", "code"), [("streampixel", "4001"), ("softdrive", "1003")])
def test_page_has_runbook_taxonomy_row_and_alerts(ops: Ops, system: str, code: str) -> None:
    (row,) = (row for row in CODES if (row.system, row.code) == (system, code))
    html = ops.get(f"/codes/{system}/{code}").text
    text = Page(html).text
    own, shared = runbooks.of_code(SHIPPED.systems[system], row, (), QueryLinks())
    for part in (own.first, own.rest, shared.first, shared.rest):
        assert part in html
    for word in (row.causes, row.fix, row.owner, row.phase, row.outcome, *row.aliases):
        assert flat(word) in text
    for alert in alerts():
        link = f'href="/alerts/{alert.name}">{alert.name}</a>: '
        assert (link in html) is (alert in alerts_of(row))


def test_queries_link_to_the_configured_prometheus(ops: Ops) -> None:
    settings = Settings(prometheus_url="https://prometheus.example/")
    page = Ops(settings=settings, taxonomy=SHIPPED).get("/codes/streampixel/4001").text
    assert page.count('<a href="https://prometheus.example/graph?g0.expr=') == page.count("copies=")
    assert "Open in" not in ops.get("/codes/streampixel/4001").text


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


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ("/codes/softdrive/07", "wakes on-call"),
        ("/codes/softdrive/13", "opens a ticket"),
        ("/codes/streampixel/1000", "wakes nobody"),
        ("/alerts/SessionEndWatchdog", "wakes nobody"),
        ("/alerts/SessionEndSpike", "severity of the code"),
    ],
)
def test_subtitle_says_what_the_worst_alert_does(ops: Ops, path: str, effect: str) -> None:
    (subtitle,) = re.findall(r'<p class="subtitle">(.*?)</p>', ops.get(path).text, re.S)
    assert Page(subtitle).text.endswith(f"· {effect}")


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


def test_page_says_that_counts_are_incomplete_while_the_exporter_is_not_ready() -> None:
    """Fails if the page shows 0 ends in an outage, and nothing is counted because the disk is full."""
    ops = Ops()
    assert "Not ready" not in ops.get("/codes/alpha/1001").text
    ops.ledger.state = Status(problem=f"the disk is full {EVIL}")
    html = ops.get("/codes/alpha/1001").text
    assert "<script>alert" not in html
    assert f"Not ready, so counts are incomplete: the disk is full {EVIL}" in Page(html).text


@pytest.mark.parametrize("path", ["/codes/softdrive/8", "/codes/softdrive/MonitorTopologyFail"])
def test_other_spellings_redirect_to_the_code(ops: Ops, path: str) -> None:
    answer = ops.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/codes/softdrive/08")


def test_each_alert_has_a_page_with_its_rule(ops: Ops) -> None:
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
    assert "SessionEndWatchdog Alerts on session ends reach this receiver wakes nobody" in text


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
    assert EVIL not in Page(ops.get("/codes/alpha/1001").text).text
    assert "<code>evil&lt;U+202E&gt;40&lt;U+200B&gt;01&lt;U+000A&gt;?</code>" in html


def test_texts_of_a_taxonomy_are_escaped() -> None:
    alpha = SHIPPED.systems["streampixel"]
    texts = ("name", "description", "causes", "fix")
    evil = replace(alpha.codes[5], aliases=(EVIL,), **dict.fromkeys(texts, EVIL), category=EVIL)
    system = replace(
        alpha, title=EVIL, source=EVIL, codes=(*alpha.codes[:5], evil, *alpha.codes[6:])
    )
    ops = Ops(taxonomy=replace(SHIPPED, systems={"streampixel": system}))
    for path in ("/codes", f"/codes/streampixel/{evil.code}", "/codes/streampixel/1"):
        html = ops.get(path).text
        assert "<script>alert" not in html
        assert EVIL in Page(html).text


def test_code_that_equals_its_name_is_written_once() -> None:
    system = SHIPPED.systems["softdrive"]
    code = replace(system.match("08"), code="Broken", name="Broken")
    own = replace(system, codes=(*system.codes, code), index=index([code]))
    html = Ops(taxonomy=Taxonomy({"softdrive": own})).get("/codes/softdrive/Broken").text
    assert "<h1>Softdrive Broken</h1>" in html


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/codes/softdrive/99", "/codes?q=softdrive"),
        ("/codes/softdrive/99", "/codes/softdrive/unknown"),
        ("/codes/nowhere/nothing", "/codes"),
        ("/alerts/x", "/alerts"),
    ],
)
def test_unknown_name_is_a_404_page_with_links(ops: Ops, path: str, link: str) -> None:
    answer = ops.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert link in Page(answer.text).refs


@pytest.mark.parametrize("path", ["/codes/softdrive/{}", "/codes/{}/4001", "/alerts/{}"])
@pytest.mark.parametrize("name", ["%3Cscript%3Ealert(1)%22'", "Softdrive" * 800])
def test_unknown_name_is_escaped_and_may_be_long(ops: Ops, path: str, name: str) -> None:
    answer = ops.get(path.format(name))
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
    assert len(set(Page(answer.text).refs)) < 20
