"""The page /codes and the 404 pages: each code has a row, search needs no script, names are suggested."""

import re
from dataclasses import replace
from urllib.parse import quote

import pytest

from exporter.lookup.search import search
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy
from tests.metrics.still_ledger import StillLedger, total
from tests.ops.ops_app import Ops, Page

SHIPPED = load(())
ROW = re.compile(r'<tr data-spellings="([^"]*)" data-words="[^"]*"( hidden)?>(.*?)</tr>', re.S)


def visible(html: str) -> list[str]:
    """The paths of the rows that are not hidden."""
    return [
        re.findall(r'href="([^"]+)"', row)[0] for _, hidden, row in ROW.findall(html) if not hidden
    ]


@pytest.fixture(scope="module")
def ops() -> Ops:
    return Ops(taxonomy=SHIPPED)


def test_every_code_has_a_row_that_links_to_its_runbook(ops: Ops) -> None:
    paths = visible(ops.get("/codes").text)
    assert paths == [
        f"/codes/{system.system}/{code.code}"
        for system in SHIPPED.systems.values()
        for code in (*system.codes, system.unknown)
    ]
    assert len(paths) == 38
    assert {ops.get(path).status_code for path in paths} == {200}


@pytest.mark.parametrize("query", ["4001", "softdrive 08", "error code 8", "timeout", "Capacity"])
def test_search_without_a_script_equals_the_command(ops: Ops, query: str) -> None:
    html = ops.get(f"/codes?q={quote(query)}").text
    paths = {code.runbook for code in search(SHIPPED, [query])}
    assert paths
    assert set(visible(html)) == paths
    assert f"{len(paths)} of 38 codes" in html
    assert f'value="{query}"' in html


def test_rows_count_ends_of_5_minutes_an_hour_and_in_total() -> None:
    ops = Ops(StillLedger([total(1000)]))
    ops.ledger.series = [total(1020)]
    ops.wait(30)
    ops.ledger.series = [total(1023)]
    (row,) = (row for _, _, row in ROW.findall(ops.get("/codes").text) if "/alpha/1001" in row)
    assert re.findall(r'class="number[^"]*">([^<]*)<', row) == ["3", "23", "1,023"]


def test_query_is_escaped_and_cut(ops: Ops) -> None:
    html = ops.get(f"/codes?q={quote(chr(34) + '><script>alert(1)</script>')}").text
    assert "<script>alert" not in html
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)' in html
    assert "a" * 129 not in ops.get(f"/codes?q={'a' * 8000}").text


def test_code_that_equals_its_name_is_written_once() -> None:
    system = SHIPPED.systems["softdrive"]
    code = replace(system.match("08"), code="Broken", name="Broken")
    own = replace(system, codes=(*system.codes, code), spellings={"broken": code})
    html = Ops(taxonomy=Taxonomy({"softdrive": own})).get("/codes/softdrive/Broken").text
    assert "<h1>Softdrive Broken</h1>" in html


# --- names that do not exist ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/codes/streampixel/08", "/codes/softdrive/08"),
        ("/codes/streampixel/4008", "/codes/streampixel/4007"),
        ("/codes/softdrive/MonitorTopologyFial", "/codes/softdrive/08"),
        ("/codes/softdrive/99", "/codes?q=softdrive"),
        ("/codes/softdrive/99", "/codes/softdrive/unknown"),
        ("/codes/streampixl/4001", "/codes/streampixel/4001"),
        ("/codes/nowhere/nothing", "/codes"),
        ("/alerts/SessionEndSpikes", "/alerts/SessionEndSpike"),
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


def test_path_below_a_code_is_not_found(ops: Ops) -> None:
    assert ops.get("/codes/softdrive/08/more").status_code == 404
