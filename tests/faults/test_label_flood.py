from pathlib import Path

from tests.e2e.exporter_process import ExporterProcess
from tests.faults.exposition import SHOWN_AT_ONCE, parses
from tests.faults.label_flood import flood


def test_twenty_thousand_label_values_become_other_and_the_total_stays_exact(
    tmp_path: Path,
) -> None:
    """Row 18; a million of them, and the time of a scrape, in `make faults`."""
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE) as exporter:
        found = flood(exporter, 20_000)
        assert found.counted == 20_000
        assert found.other == 20_000 - 50
        assert found.values == 52, "50, other, and none"
        assert found.lines <= 2000
        assert exporter.total("session_exporter_capped_label_values_total") == 20_000 - 50
        parses(exporter, promtool=True)


UNCAPPED = """
from exporter.ingest.labels import LabelValues
LabelValues._bound = lambda self, seen, value: value
"""


def test_a_cap_that_is_not_kept_is_noticed(tmp_path: Path) -> None:
    with ExporterProcess(tmp_path / "data", settings=SHOWN_AT_ONCE, mutant=UNCAPPED) as exporter:
        assert flood(exporter, 3000).lines > 2000
