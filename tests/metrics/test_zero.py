"""What is there at 0 before the first event."""

from exporter.ledger.contract import OF_SESSIONS
from exporter.metrics.collector import zero_durations, zero_series
from tests.metrics.still_ledger import two_systems


def test_every_code_of_every_system_and_unknown_is_in_all_three_counters() -> None:
    found = [(one.family, one.system, one.code) for one in zero_series(two_systems(), ())]
    codes = {
        ("alpha", "none"),
        ("alpha", "1001"),
        ("alpha", "10"),
        ("alpha", "unknown"),
        ("beta", "1000"),
        ("beta", "1001"),
        ("beta", "unknown"),
    }
    assert len(found) == len(set(found))
    assert set(found) == {(family, *code) for family in OF_SESSIONS for code in codes}


def test_a_zero_series_has_its_taxonomy_rows_labels_and_an_empty_value_for_each_configured_one() -> (
    None
):
    one = next(one for one in zero_series(two_systems(), ("region", "project")) if one.code == "10")
    assert one.key == ("ends", "alpha", "10", "stream", "things", "neutral", "", "")


def test_histograms_exist_for_the_outcomes_that_a_systems_codes_can_have() -> None:
    assert zero_durations(two_systems()) == [
        ("alpha", "success"),
        ("alpha", "neutral"),
        ("alpha", "failure"),
        ("beta", "success"),
        ("beta", "failure"),
    ]
