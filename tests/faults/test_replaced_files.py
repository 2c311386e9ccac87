import pytest

from tests.faults.replaced_files import UNCHECKED, change


@pytest.mark.parametrize(
    ("what", "idle", "path"),
    [
        ("data_dir deleted", False, "data/ledger.db"),
        ("data_dir replaced", True, "data/ledger.db"),
        ("ledger.lock deleted", True, "data/ledger.lock"),
    ],
)
def test_replaced_files_end_the_exporter_before_it_acknowledges_an_event(
    tmp_path, what, idle, path
):
    """Fails when the files are not compared (mutant `UNCHECKED` in the next test)."""
    found = change(tmp_path, what, idle=idle)
    assert (found.acknowledged, found.code) == (0, 1)
    assert path in found.last
    assert "start again" in found.last


def test_without_the_comparison_events_are_acknowledged_that_are_nowhere(tmp_path):
    with pytest.raises(AssertionError):
        change(tmp_path, "data_dir deleted", idle=False, mutant=UNCHECKED)
