from pathlib import Path

from tests.faults.double_scrape import ROW


def test_two_jobs_that_scrape_one_exporter_count_each_end_once(tmp_path: Path) -> None:
    """Row 38. Fails when the first recording rule sums over jobs."""
    ROW.run(tmp_path, True)
