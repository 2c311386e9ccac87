"""Real series: which events they become, and their labeled incidents."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.lab.recordings import flights, recording
from tests.lab.score import Trial


def ends(trial: Trial) -> dict[str, int]:
    counters = trial.counters
    return dict(zip(counters.codes, counters.totals[-1].tolist(), strict=True))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.fixture(scope="module")
def first_half() -> Trial:
    return flights("flights H1")


def test_flights_are_counted_by_what_became_of_them(first_half: Trial) -> None:
    assert ends(first_half) == {"1000": 160_678, "1006": 597, "4001": 4_883}
    # The first departure of the year was planned for 05:15 and was 2 minutes late.
    assert first_half.counters.start == at("2013-01-01 05:17")


def test_storms_are_spans_with_many_cancellations(first_half: Trial) -> None:
    spans = [(incident.start, incident.end) for incident in first_half.incidents]
    assert len(spans) == 56
    assert all(end - begin >= 3600 for begin, end in spans)
    # The blizzard of 8 and 9 February: hours without scheduled flights end a storm.
    february = {begin: end for begin, end in spans if at("2013-02-08") < begin < at("2013-02-11")}
    assert february == {
        at("2013-02-08 06:00"): at("2013-02-08 23:59"),
        at("2013-02-09 05:00"): at("2013-02-09 22:50"),
    }


def test_recorded_counts_have_their_labeled_incidents(tmp_path: Path) -> None:
    """A fall of traffic is a page only while traffic is down."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"t,code,n\n0,1000,3\n30,4006,2\n"))
    rise = {"start": 600, "end": 1200, "codes": ["4006"]}
    falls = [
        {"start": 2000, "end": 4000, "codes": [], "down": down} for down in ([0, 0], [2500, 5])
    ]
    (tmp_path / "labels.json").write_text(json.dumps({"a": [rise, *falls], "b": [rise]}))
    trial = recording(path)
    assert ends(trial) == {"1000": 3, "4006": 2}
    assert [
        (item.start, item.end, item.codes, item.signals, best is None)
        for item, best in trial.incidents.items()
    ] == [
        (600, 1200, ("4006",), ("spike",), False),
        (2000, 4000, (), (), True),
        (2500, 2800, (), ("stopped",), False),
    ]
