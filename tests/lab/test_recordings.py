"""Files of counts: which events they become, and their labeled incidents."""

import gzip
import json
from pathlib import Path

from tests.lab.recordings import recording
from tests.lab.score import Trial


def ends(trial: Trial) -> dict[str, int]:
    counters = trial.counters
    return dict(zip(counters.codes, counters.totals[-1].tolist(), strict=True))


def test_recorded_counts_have_their_labeled_incidents(tmp_path: Path) -> None:
    """A fall of traffic expects a page only while traffic is down."""
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
