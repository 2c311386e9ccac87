"""404 pages of codes and alerts: similar names, and links to the lists."""

import pytest

from exporter.taxonomy.loader import load
from tests.ops.asking import Ops
from tests.ops.reader import Reader

SHIPPED = load(())


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
def test_an_unknown_name_is_a_404_page_with_links_to_similar_names(path: str, link: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path)
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert link in Reader(answer.text).refs


@pytest.mark.parametrize("path", ["/codes/softdrive/{}", "/codes/{}/4001", "/alerts/{}"])
def test_the_name_is_never_markup(path: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path.format("%3Cscript%3Ealert(1)%22'"))
    assert answer.status == 404
    assert "<script>alert" not in answer.text


def test_a_path_below_a_code_is_not_found() -> None:
    assert Ops(taxonomy=SHIPPED).get("/codes/softdrive/08/more").status == 404


@pytest.mark.parametrize("path", ["/alerts/{}", "/codes/softdrive/{}", "/codes/{}/08"])
def test_a_long_name_is_answered(path: str) -> None:
    answer = Ops(taxonomy=SHIPPED).get(path.format("Softdrive" * 800))
    assert answer.status == 404
    assert len(set(Reader(answer.text).refs)) < 20
