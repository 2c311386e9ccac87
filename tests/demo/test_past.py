"""The hours before the demo, as OpenMetrics."""

import numpy as np
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter import names
from exporter.demo.past import INTERVAL, openmetrics
from exporter.simulate.history import History

NOW = 1_800_000_000


def samples(ends: list[list[int]]) -> list[tuple[str, dict[str, str], float, float]]:
    """Name, labels, time and value of each sample. A bin is half a second of the demo: ten per sample."""
    array = np.array(ends, dtype=np.int64)
    scraped = np.ones(len(array), dtype=np.bool_)
    codes = ("1000", "4001")
    history = History("streampixel", 0.0, 15.0, codes, array, array.astype(float), scraped, ())
    series = {
        ("streampixel", code): {
            "system": "streampixel",
            "code": code,
            **dict.fromkeys(("phase", "category", "outcome", "ledger"), "x"),
        }
        for code in codes
    }
    lines = openmetrics([history], series, {"job": "j", "instance": "i:1"}, NOW)
    return [
        (sample.name, sample.labels, float(sample.timestamp), sample.value)
        for family in text_string_to_metric_families("".join(lines))
        for sample in family.samples
    ]


def test_past_counts_up_and_ends_now_with_the_total() -> None:
    """A remainder of five bins is left out at the start: at the end, the first scrape would be a jump."""
    values = {
        (name, labels["code"], time): value
        for name, labels, time, value in samples([[1, 0]] * 15 + [[3, 1]] * 10)
    }
    for name in (names.SESSION_ENDS, names.RULE_SUM, names.RULE_SUM_SNAPSHOT):
        assert [values[name, "1000", NOW - age * INTERVAL] for age in (2, 1, 0)] == [5, 15, 45]
        assert [values[name, "4001", NOW - age * INTERVAL] for age in (2, 1, 0)] == [0, 0, 10]
    assert len(values) == 18


def test_past_gives_the_recording_rule_only_the_labels_that_it_keeps() -> None:
    labels = {name: set(kept) for name, kept, _, _ in samples([[1, 0]] * 10)}
    assert labels[names.SESSION_ENDS] - labels[names.RULE_SUM] == {"phase", "category", "job"}
    assert labels[names.RULE_SUM] < labels[names.SESSION_ENDS]
