from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.retry_storm import storm


def test_a_retry_storm_counts_each_id_once_and_every_other_copy_as_a_duplicate(
    tmp_path: Path,
) -> None:
    """Row 8; a million ids in `make faults`. Fails on the mutants of the next test."""
    with ExporterProcess(tmp_path / "data") as exporter:
        found = storm(exporter, 10_000)
    assert found.exact(10_000), found


WITHOUT_WINDOW = """
import numpy
from exporter.ledger.window import Window
Window.find = lambda self, keys: numpy.zeros(len(keys), numpy.int64)
"""
WITHOUT_REPEATS = """
from exporter.ledger import group
group.has_repeats = lambda keys: False
"""


def test_a_ledger_that_does_not_look_for_repeats_is_noticed(tmp_path: Path) -> None:
    """Between commits, and within one: copies that arrive together share a commit."""
    for number, mutant in enumerate((WITHOUT_WINDOW, WITHOUT_REPEATS)):
        with ExporterProcess(tmp_path / str(number), mutant=mutant) as exporter:
            assert not storm(exporter, 3000).exact(3000), mutant
