from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import parses
from tests.faults.gzip_bomb import GROWTH, MAX_BODY, MIB, bomb, growth


def test_a_gzip_bomb_costs_no_memory(tmp_path: Path) -> None:
    """Row 15: the largest bomb that the limit of packed bytes lets in, some 1,000 MiB unpacked."""
    body = bomb(1000 * MIB)
    assert 0.9 * MAX_BODY < len(body) <= MAX_BODY
    with ExporterProcess(tmp_path / "data") as exporter:
        status, grown = growth(exporter, body)
        assert status == 413
        assert grown <= GROWTH
        parses(exporter)


GREEDY = """
import gzip
from exporter.ingest.guard import Guard
unpack = Guard._unpack
def _unpack(self, body):
    gzip.decompress(body)
    return unpack(self, body)
Guard._unpack = _unpack
"""


def test_a_bomb_that_is_unpacked_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", mutant=GREEDY) as exporter:
        assert growth(exporter, bomb(64 * MIB), 1)[1] > GROWTH
