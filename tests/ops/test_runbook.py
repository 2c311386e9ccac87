"""A code's page and an alert's: complete, true to the rules, and safe."""

import dataclasses
import re
import time
from html import unescape

import pytest

from exporter.ledger.contract import Family
from exporter.ops.history import History
from exporter.rule_files import alerts, alerts_of
from exporter.runbooks import pages
from exporter.runbooks.links import QueryLinks
from exporter.settings import Settings
from exporter.taxonomy.loader import load
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.asking import Clock, Ops
from tests.ops.reader import Reader

SHIPPED = load(())
CODES = [code for system in SHIPPED.systems.values() for code in (*system.codes, system.unknown)]
SECTIONS = ("meaning", "impact", "mitigation", "diagnosis", "shared", "alerts", "facts")
EVIL = "<script>alert(1)</script>&\"'"


def said(page: str) -> str:
    """The page's text without style, script and runs of spaces."""
    bare = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).split())


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("system", "code"), [("streampixel", "4001"), ("softdrive", "1003")])
def test_a_codes_page_has_its_runbook_taxonomy_row_and_alerts(system: str, code: str) -> None:
    (row,) = (row for row in CODES if (row.system, row.code) == (system, code))
    page = Ops(taxonomy=SHIPPED).get(f"/codes/{system}/{code}").text
    text = said(page)
    own, shared = pages.of_code(SHIPPED.systems[system], row, (), QueryLinks())
    for part in (own.first, own.rest, shared.first, shared.rest):
        assert part in page
    for word in (row.causes, row.fix, row.owner, row.phase, row.outcome, *row.aliases):
        assert flat(word) in text
    for alert in alerts():
        assert (f'href="/alerts/{alert.name}">{alert.name}</a>: ' in page) is (
            alert in alerts_of(row)
        )


def test_the_parts_of_a_page_are_in_the_order_in_which_they_are_needed() -> None:
    page = Ops(taxonomy=SHIPPED).get("/codes/streampixel/4001").text
    parts = (
        "<h1>",
        'class="kind"',
        'class="first"',
        "Counted here",
        *map('id="{}"'.format, SECTIONS),
    )
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


def test_queries_link_to_the_addresses_that_are_set() -> None:
    settings = Settings(prometheus_url="https://prometheus.example/")
    page = Ops(settings=settings, taxonomy=SHIPPED).get("/codes/streampixel/4001").text
    assert page.count('<a href="https://prometheus.example/graph?g0.expr=') == page.count("copies=")
    assert "Open in" not in Ops(taxonomy=SHIPPED).get("/codes/streampixel/4001").text


def test_a_code_that_wakes_nobody_says_so() -> None:
    text = said(Ops(taxonomy=SHIPPED).get("/codes/streampixel/1000").text)
    assert "None: this code wakes nobody and opens no ticket." in text


def test_the_alerts_of_a_code_are_those_that_can_fire_for_it() -> None:
    def signals(system: str, code: str) -> list[str]:
        (row,) = (one for one in CODES if (one.system, one.code) == (system, code))
        return [alert.signal for alert in alerts_of(row)]

    assert signals("softdrive", "13") == ["overrun", "elevated", "new"]
    assert signals("streampixel", "4001") == ["spike", "queue", "elevated", "new"]
    assert signals("streampixel", "4002") == ["spike", "elevated", "new"]
    assert signals("streampixel", "1000") == []


def test_counts_are_those_of_now_and_of_the_code() -> None:
    ledger = StillLedger([total(2000)])
    clock = Clock()
    history = History(ledger.totals, clock, wall=lambda: 1_790_000_000.0)
    ops = Ops(ledger, history=history)
    ops.get("/codes/alpha/1001")
    ledger.series = [
        total(2034),
        total(5, family=Family.LATE),
        total(7, family=Family.INTERRUPTIONS),
        total(99, code="10"),
    ]
    page = ops.get("/codes/alpha/1001").text
    assert re.findall(r"<dd>([\d,]+)</dd><dt>([^<]+)</dt>", page) == [
        ("34", "last 5 min"),
        ("34", "since the start"),
        ("2,039", "in all"),
    ]
    text = said(page)
    assert "5 of them arrived late." in text
    assert "7 interruptions that recovered." in text
    assert "As of 2026-09-21 14:13:20 UTC" in text
    assert "A restart of the exporter empties this chart" in text


@pytest.mark.parametrize(
    ("asked", "leads"),
    [
        ("/codes/softdrive/8", "/codes/softdrive/08"),
        ("/codes/streampixel/No%20Worker%20Node%20Available", "/codes/streampixel/4001"),
    ],
)
def test_other_spellings_lead_to_the_codes_page(asked: str, leads: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(asked)
    assert (answer.status, answer.headers["location"]) == (307, leads)


def test_each_alert_has_a_page_with_its_rule() -> None:
    ops = Ops(taxonomy=SHIPPED)
    for alert in alerts():
        answer = ops.get(f"/alerts/{alert.name}")
        assert answer.status == 200
        text = said(answer.text)
        for word in (alert.name, "Meaning", "Impact", "Mitigation", "Diagnosis", "Rule"):
            assert word in text
        assert flat(alert.expr) in text


def test_the_list_of_alerts_has_each_once_and_its_links_lead_somewhere() -> None:
    ops = Ops(taxonomy=SHIPPED)
    page = ops.get("/alerts").text
    for alert in alerts():
        assert page.count(f">{alert.name}<") == 1
    refs = {ref.partition("#")[0] for ref in Reader(page).refs}
    assert {ops.get(ref).status for ref in refs} == {200}


def test_codes_as_they_came_are_on_the_page_of_unknown_of_their_system() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", EVIL, 1_790_000_000.0, 3)
    ops.unknown_codes.record("beta", "elsewhere", 1_790_000_000.0)
    page = ops.get("/codes/alpha/unknown").text
    assert "<script>alert" not in page
    assert EVIL in Reader(page).said
    assert "elsewhere" not in page
    assert "2026-09-21 14:13:20 UTC" in page


def test_characters_that_can_not_be_seen_are_written_out() -> None:
    ops = Ops()
    ops.unknown_codes.record("alpha", "evil\u202e40\u200b01\n\ud800", 1_790_000_000.0)
    page = ops.get("/codes/alpha/unknown").text
    assert "<code>evil\\u202e40\\u200b01\\n?</code>" in page


def test_texts_of_a_taxonomy_are_never_markup() -> None:
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
        page = ops.get(path).text
        assert "<script>alert" not in page
        assert EVIL in Reader(page).said


def test_a_page_is_made_in_less_than_five_milliseconds() -> None:
    """Of the processor's time, and the best of many: the machine may have other things to do."""
    series = [total(7, code=code.code) for code in CODES for _ in range(3)]
    ops = Ops(StillLedger(series), taxonomy=SHIPPED)
    clock = Clock()
    history = History(ops.ledger.totals, clock)
    for _ in range(70):
        history.sample()
        clock.now += 60

    from exporter.ops.runbook_index import RunbookIndex

    index = RunbookIndex(ops.settings, SHIPPED, ops.unknown_codes)
    for make in (
        lambda: index.code(history.read(), "streampixel", "4001"),
        lambda: index.codes(history.read(), ""),
        lambda: index.alert("SessionEndsStopped"),
    ):
        took = []
        for _ in range(30):
            started = time.thread_time()
            make()
            took.append(time.thread_time() - started)
        assert min(took) < 0.005
