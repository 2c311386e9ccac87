"""Which events of a file count: those that `send` would post and the exporter would count."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from exporter.backtest.files import Files
from exporter.backtest.left_out import LeftOut
from exporter.send.events import Occurrences
from exporter.send.sources import Source
from exporter.settings import Settings
from exporter.simulate.events import ndjson
from exporter.simulate.scenario import simulate
from exporter.simulate.traffic import Traffic
from exporter.taxonomy.loader import load
from tests.backtest.histories import NOW, START, event, write

TAXONOMY = load()


@pytest.fixture
def seen() -> Iterator[Occurrences]:
    with Occurrences() as occurrences:
        yield occurrences


def read(seen: Occurrences, *paths: Path, only: str | None = None) -> tuple[Files, list[str]]:
    files = Files(TAXONOMY, seen, NOW, only)
    told: list[str] = []
    files.left_out.tell = told.append
    for path in paths:
        files.read(Source(path), told.append, lambda: None)
    return files, told


def totals(files: Files, system: str = "streampixel") -> dict[str, int]:
    counters = files.ends[system].counters(LeftOut())
    if counters is None:
        return {}
    return dict(zip(counters.codes, counters.totals[-1].tolist(), strict=True))


def test_json_ndjson_csv_and_gzip_count_alike(tmp_path: Path, seen: Occurrences) -> None:
    events = [event(at * 10.0) for at in range(5)]
    (tmp_path / "a.json").write_text(json.dumps(events[:1]))
    write(tmp_path / "b.ndjson", events[1:2])
    rows = "".join(
        f"{one['id']},{one['code']},{one['occurred_at']},streampixel\n" for one in events
    )
    (tmp_path / "c.csv").write_text(f"id,code,occurred_at,system\n{rows}")
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(json.dumps(event(99.0)).encode()))
    files, told = read(seen, *sorted(tmp_path.iterdir()))
    assert totals(files) == {"4001": 6}
    assert (files.left_out.read, files.left_out.counted, files.left_out.duplicates) == (8, 6, 2)
    assert told == []


def test_every_spelling_of_a_code_is_that_code(tmp_path: Path, seen: Occurrences) -> None:
    spellings = ("1", "01", "Error Code 01", "TLSHandshakeFailed")
    events = [
        event(float(at), code, system="softdrive", id=f"s-{at}")
        for at, code in enumerate(spellings)
    ]
    events += [event(5.0, "", system="softdrive"), event(6.0, "4711", system="softdrive")]
    files, _ = read(seen, write(tmp_path / "a.ndjson", events))
    assert totals(files, "softdrive") == {"none": 1, "01": 4, "unknown": 1}


def test_what_is_no_end_or_has_no_time_is_left_out_and_counted(
    tmp_path: Path, seen: Occurrences
) -> None:
    events = [
        event(0.0),
        event(1.0, final=False),
        event(2.0, occurred_at=None),
        event(3.0, system="elsewhere"),
        event(4.0, occurred_at="2026-01-05"),
        event(5.0, id="e-0.0-4001"),
        event(6.0, occurred_at="2031-01-01T00:00:00Z"),
        event(7.0, session_id="\ud800"),
        event(8.0, phase="lunch"),
        event(9.0, labels=["eu"]),
    ]
    path = write(tmp_path / "a.ndjson", events)
    files, told = read(seen, path)
    assert totals(files) == {"4001": 1}
    left_out = files.left_out
    assert (left_out.read, left_out.counted) == (10, 1)
    assert (left_out.interruptions, left_out.undated, left_out.duplicates) == (1, 1, 1)
    assert left_out.rejected == {"unknown_system": 1, "invalid_field": 4, "clock_skew": 1}
    places = {line.split(": ")[0] for line in told}
    assert places == {f"{path}:{line}" for line in (4, 5, 7, 8, 9, 10)}
    assert f"{path}:4: left out: system: 'elsewhere' is not loaded" in "\n".join(told)
    assert sum(count for count, _ in left_out.lines()) + left_out.counted == left_out.read


def test_the_same_id_in_another_file_counts_once(tmp_path: Path, seen: Occurrences) -> None:
    events = [event(float(at)) for at in range(10)]
    first, second = write(tmp_path / "a.ndjson", events), write(tmp_path / "b.ndjson", events[5:])
    files, _ = read(seen, first, second)
    assert totals(files) == {"4001": 10}
    assert files.left_out.duplicates == 5


def test_events_without_any_key_count_each_time(tmp_path: Path, seen: Occurrences) -> None:
    files, _ = read(seen, write(tmp_path / "a.ndjson", [event(1.0, id=None)] * 3))
    assert totals(files) == {"4001": 3}


def test_events_of_other_systems_are_left_out_when_one_is_asked_for(
    tmp_path: Path, seen: Occurrences
) -> None:
    path = write(tmp_path / "a.ndjson", [event(0.0), event(1.0, "08", system="softdrive")])
    files, told = read(seen, path, only="softdrive")
    assert list(files.ends) == ["softdrive"]
    assert totals(files, "softdrive") == {"08": 1}
    assert (files.left_out.others, told) == (1, [])


def test_one_mistake_many_times_is_told_a_few_times(tmp_path: Path, seen: Occurrences) -> None:
    path = write(tmp_path / "a.ndjson", [event(float(at), system="mine") for at in range(50)])
    files, told = read(seen, path)
    assert files.left_out.rejected == {"unknown_system": 50}
    assert len(told) == 4
    assert told[-1] == f"{path}:4: left out, as all further ones of this kind (unknown_system)"


def test_a_simulated_history_comes_back_end_by_end(tmp_path: Path, seen: Occurrences) -> None:
    history = simulate("softdrive", Traffic(5000.0), 0.25, seed=4)
    path = tmp_path / "a.ndjson"
    path.write_text("".join(ndjson([history], 4)))
    files, _ = read(seen, path)
    counters = files.ends["softdrive"].counters(LeftOut())
    assert counters is not None
    half_minutes = history.ends.reshape(-1, 2, len(history.codes)).sum(axis=1)
    columns = [history.codes.index(code) for code in counters.codes]
    assert counters.start == history.start
    assert np.array_equal(np.diff(counters.totals, axis=0), half_minutes[:, columns])
    assert half_minutes.sum() == files.left_out.counted > 10_000


def test_the_future_begins_where_the_exporters_does(tmp_path: Path, seen: Occurrences) -> None:
    allowed = Settings.model_fields["max_clock_skew"].default
    ends = [event(NOW - START + allowed + more) for more in (-1.0, 1.0)]
    files, _ = read(seen, write(tmp_path / "a.ndjson", ends))
    assert (files.left_out.counted, files.left_out.rejected) == (1, {"clock_skew": 1})
