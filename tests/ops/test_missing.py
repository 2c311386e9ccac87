"""Pages for what is not there: a 404 that helps."""

import pytest

from exporter.ops.not_found import similar
from exporter.taxonomy.loader import load
from tests.ops.asking import Ops
from tests.ops.reader import Reader

SHIPPED = load(())


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/codes/streampixel/08", "/codes/softdrive/08"),
        ("/codes/streampixel/4008", "/codes/streampixel/4007"),
        ("/codes/softdrive/MonitorTopologyFial", "/codes/softdrive/08"),
        ("/codes/softdrive/99", "/codes?q=softdrive"),
        ("/codes/softdrive/99", "/codes/softdrive/unknown"),
        ("/codes/streampixl/4001", "/codes/streampixel/4001"),
        ("/codes/nowhere/nothing", "/codes"),
        ("/alerts/SessionEndSpikes", "/alerts/SessionEndSpike"),
        ("/alerts/SessionEndExporterDwn", "/alerts/SessionEndExporterDown"),
        ("/alerts/x", "/alerts"),
    ],
)
def test_what_is_not_there_is_a_page_with_404_that_leads_on(path: str, leads: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert leads in Reader(answer.text).refs


@pytest.mark.parametrize(
    "path", ["/codes/softdrive/{}", "/codes/{}/4001", "/alerts/{}", "/codes/softdrive/{}" * 2]
)
def test_what_was_asked_for_is_never_markup(path: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path.format(*["%3Cscript%3Ealert(1)%22'"] * 2))
    assert answer.status == 404
    assert "<script>alert" not in answer.text


def test_a_path_deeper_than_a_code_is_no_code() -> None:
    assert Ops(taxonomy=SHIPPED).get("/codes/softdrive/08/more").status == 404


def test_nearest_are_few_and_each_once() -> None:
    found = similar(SHIPPED, "softdrive", "Internal eror")
    assert 1 <= len(found) <= 5
    assert len(found) == len(set(found))


def test_a_long_question_is_answered_as_fast_as_a_short_one() -> None:
    assert similar(SHIPPED, "softdrive", "x" * 128) == []
    assert Ops(taxonomy=SHIPPED).get(f"/alerts/{'Softdrive' * 800}").status == 404
