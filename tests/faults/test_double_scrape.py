from pathlib import Path

import pytest

from tests.faults.double_scrape import ROW
from tests.faults.table import Missed


def test_the_row_of_a_double_scrape_says_by_how_much_two_jobs_count_more(tmp_path: Path) -> None:
    """Row 38, which does not hold: the rules sum over jobs. Rules that do not make it fail here, and then
    the row is to hold."""
    with pytest.raises(Missed, match=r"with one job, .* with two, × (1\.[89]|2\.)"):
        ROW.run(tmp_path, True)
