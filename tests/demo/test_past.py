"""The hours before the demo, as OpenMetrics."""

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter import names
from exporter.demo.past import EVERY, Series, samples
from exporter.simulate.history import History

TARGET = {"job": "j", "instance": "i:1"}
NOW = 1_800_000_000


def history(ends: list[list[int]]) -> History:
    """A bin is 15 simulated seconds, half a real one: ten to a sample."""
    array = np.array(ends, dtype=np.int64)
    scraped = np.ones(len(array), dtype=np.bool_)
    return History(
        "streampixel", 0.0, 15.0, ("1000", "4001"), array, array.astype(float), scraped, ()
    )


def series(*totals: int) -> Series:
    codes = ("1000", "4001")
    return {
        ("streampixel", code): (
            {
                "system": "streampixel",
                "code": code,
                "phase": "p",
                "category": "c",
                "outcome": "o",
                "ledger": "l",
            },
            total,
        )
        for code, total in zip(codes, totals, strict=True)
    }


def read(ends: list[list[int]], *totals: int) -> dict[str, dict[float, float]]:
    """Values by time, of the counter and the first recording rule, of code 1000."""
    text = "".join(samples([history(ends)], series(*totals), TARGET, NOW))
    found: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels["code"] == "1000":
                found.setdefault(sample.name, {})[float(sample.timestamp)] = sample.value
    return found


def test_the_past_rises_as_it_was_simulated_and_ends_now_at_what_the_exporter_counted() -> None:
    found = read([[1, 0]] * 10 + [[3, 1]] * 10, 40, 10)
    assert found[names.SESSION_ENDS] == {NOW - 2 * EVERY: 0, NOW - EVERY: 10, NOW: 40}
    assert found[names.RULE_SUM] == found[names.SESSION_ENDS]


def test_bins_that_fill_no_sample_are_left_out_at_the_beginning_and_not_at_the_end() -> None:
    found = read([[1, 0]] * 15, 15, 0)
    assert found[names.SESSION_ENDS] == {NOW - EVERY: 5, NOW: 15}


def test_the_recording_rule_has_the_labels_that_it_keeps_and_the_counter_all() -> None:
    text = "".join(samples([history([[1, 0]] * 10)], series(10, 0), TARGET, NOW))
    labels = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert labels[names.SESSION_ENDS] - labels[names.RULE_SUM] == {"phase", "category", "job"}
    assert labels[names.RULE_SUM] <= labels[names.SESSION_ENDS]


def test_an_exporter_that_counted_anything_else_is_an_error() -> None:
    """Fails without the comparison: the first scrape would look like a burst or a reset."""
    with pytest.raises(ValueError, match="10 were posted, 11 counted"):
        list(samples([history([[1, 0]] * 10)], series(11, 0), TARGET, NOW))
