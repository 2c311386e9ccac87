"""/codes: every code is there, and a search without a script finds what the command finds."""

import re
from urllib.parse import quote

import pytest

from exporter.lookup.search import search
from exporter.ops.history import History
from exporter.taxonomy.loader import load
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.asking import Clock, Ops
from tests.ops.reader import Reader

SHIPPED = load(())
ROW = re.compile(r'<tr data-spellings="([^"]*)" data-words="[^"]*"( hidden)?>(.*?)</tr>', re.S)


def shown(page: str) -> list[str]:
    """The paths of the rows that are not hidden."""
    return [
        re.findall(r'href="([^"]+)"', row)[0] for _, hidden, row in ROW.findall(page) if not hidden
    ]


def test_every_code_of_every_system_has_a_row_that_leads_to_its_runbook() -> None:
    ops = Ops(taxonomy=SHIPPED)
    paths = shown(ops.get("/codes").text)
    assert paths == [
        f"/codes/{system.system}/{code.code}"
        for system in SHIPPED.systems.values()
        for code in (*system.codes, system.unknown)
    ]
    assert len(paths) == 38
    assert {ops.get(path).status for path in paths} == {200}


@pytest.mark.parametrize(
    "query", ["4001", "softdrive 08", "error code 8", "timeout", "1001", "Capacity", "softdrive"]
)
def test_a_search_without_a_script_finds_what_the_command_finds(query: str) -> None:
    page = Ops(taxonomy=SHIPPED).get(f"/codes?q={quote(query)}").text
    found = {f"/codes/{code.system}/{code.code}" for code in search(SHIPPED, [query])}
    assert found
    assert set(shown(page)) == found
    assert f"{len(found)} of 38 codes" in page
    assert f'value="{query}"' in page


def test_a_search_that_finds_nothing_names_what_is_near() -> None:
    page = Ops(taxonomy=SHIPPED).get("/codes?q=timout").text
    assert shown(page) == []
    assert "/codes?q=timeout" in Reader(page).refs


def test_rows_count_ends_of_the_last_minutes_hour_and_in_all() -> None:
    ledger = StillLedger([total(1000)])
    clock = Clock()
    history = History(ledger.totals, clock)
    history.sample()
    ledger.series = [total(1020)]
    for _ in range(30):
        clock.now += 60
        history.sample()
    ledger.series = [total(1023)]
    page = Ops(ledger, history=history).get("/codes").text
    (row,) = (row for _, _, row in ROW.findall(page) if "/codes/alpha/1001" in row)
    assert re.findall(r'class="number[^"]*">([^<]*)<', row) == ["3", "23", "1,023"]


def test_what_is_searched_for_is_never_markup() -> None:
    page = Ops().get(f"/codes?q={quote(chr(34) + '><script>alert(1)</script>')}").text
    assert "<script>alert" not in page
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)' in page


def test_a_long_query_is_cut_and_answered() -> None:
    answer = Ops(taxonomy=SHIPPED).get(f"/codes?q={'a' * 8000}")
    assert answer.status == 200
    assert "a" * 129 not in answer.text


def test_the_script_knows_every_spelling_that_the_server_takes() -> None:
    page = Ops(taxonomy=SHIPPED).get("/codes").text
    (spellings,) = (s for s, _, row in ROW.findall(page) if "/codes/softdrive/08" in row)
    assert {"08", "8", "error code 08", "monitortopologyfail"} <= set(spellings.split("|"))
