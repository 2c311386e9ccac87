"""Which events of a file are counted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.backtest import files as files_module
from exporter.backtest.files import EventReader, Repeats
from exporter.send.sources import Source
from exporter.settings import Settings
from exporter.taxonomy.loader import load
from tests.backtest.histories import NOW, START, event, write

TAXONOMY = load()


def read(path: Path, **options: Any) -> tuple[EventReader, list[str]]:
    notes: list[str] = []
    reader = EventReader(TAXONOMY, NOW, notes.append, **options)
    reader.read(Source(path))
    return reader, notes


def totals(reader: EventReader) -> dict[str, int]:
    return {
        code: total
        for counters in reader.ends.counters()
        if counters.system == "streampixel"
        for code, total in zip(counters.codes, counters.totals[-1].tolist(), strict=True)
    }


def test_skipped_events_are_counted_by_reason(tmp_path: Path) -> None:
    events = [
        event(0.0),
        event(1.0, final=False),
        event(2.0, occurred_at=None),
        event(3.0, system="elsewhere"),
        event(4.0, occurred_at="2026-01-05"),
        event(0.0),
        event(5.0, id="e-0.0-4001"),
        event(6.0, occurred_at="2031-01-01T00:00:00Z"),
        event(7.0, session_id="\ud800"),
        event(8.0, phase="lunch"),
        event(9.0, labels=["eu"]),
        event(10.0, occurred_at="\ud800"),
    ]
    path = write(tmp_path / "a.ndjson", events)
    reader, notes = read(path)
    assert totals(reader) == {"4001": 1}
    counts = reader.counts
    assert (counts.read, counts.counted) == (12, 1)
    assert (counts.interruptions, counts.undated, counts.duplicates) == (1, 1, 1)
    assert counts.rejected == {
        "unknown_system": 1,
        "invalid_field": 5,
        "conflict": 1,
        "clock_skew": 1,
    }
    places = {line.split(": ")[0] for line in notes}
    assert places == {f"{path}:{line}" for line in (4, 5, 7, 8, 9, 10, 11)}
    assert f"{path}:4: skipped: system: 'elsewhere' is not loaded" in "\n".join(notes)
    assert sum(count for count, _ in counts.skipped()) + counts.counted == counts.read


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 4001},
        {"final": True},
        {"duration_seconds": -0.0},
        {"labels": {"region": "eu", "build": ""}},
        {"labels": {"build": 7}},
        {"id": None},
        {"id": "undefined"},
        {"user": ""},
    ],
)
def test_event_is_the_same_with_and_without_an_unknown_key(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    """Lines without an unknown key are read by a faster decoder."""
    sent = event(0.0, **fields)
    reader, _ = read(write(tmp_path / "a.ndjson", [sent]))
    reader.read(Source(write(tmp_path / "b.ndjson", [sent | {"unknown_key": 1}])))
    assert (reader.counts.duplicates, reader.counts.rejected) == (1, {})
    assert totals(reader) == {"4001": 1}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ('{"a": "1", "a": "2"}', "duplicate_key"),
        (json.dumps({f"name{number}": "x" for number in range(65)}), "invalid_label"),
    ],
)
def test_labels_are_refused_before_the_time(tmp_path: Path, labels: str, reason: str) -> None:
    """Fails when the faster decoder leaves the labels to later checks."""
    path = tmp_path / "a.ndjson"
    line = json.dumps(event(0.0, occurred_at="2031-01-01T00:00:00Z"))
    path.write_text(f'{line[:-1]}, "labels": {labels}}}\n')
    reader, _ = read(path)
    assert reader.counts.rejected == {reason: 1}


def test_given_columns_are_read_instead_of_the_fields(tmp_path: Path) -> None:
    """Fails when a line with usual fields only is read without the columns."""
    path = write(tmp_path / "events.ndjson", [event(0.0, code="1000", phase="4001")])
    reader = EventReader(TAXONOMY, NOW, lambda _: None)
    reader.read(Source(path, columns={"code": "phase"}))
    assert {code: total for code, total in totals(reader).items() if total} == {"4001": 1}


def test_other_content_of_an_id_is_a_conflict_each_time(tmp_path: Path) -> None:
    first, other = event(0.0, id="a"), event(0.0, id="a", duration_seconds=2.5)
    reader, notes = read(write(tmp_path / "a.ndjson", [first, other, other, first]))
    assert totals(reader) == {"4001": 1}
    assert (reader.counts.duplicates, reader.counts.rejected) == (1, {"conflict": 2})
    assert notes[0].endswith(
        "a.ndjson:2: skipped: id: counted before with other content; the first event stands"
    )


def test_unknown_codes_and_ignored_fields_have_a_bound(tmp_path: Path) -> None:
    """Fails without the bound: a file whose code column contains ids would fill the memory."""
    events = [event(0.0, f"x{number}", **{f"f{number}": 1}) for number in range(10_050)]
    reader, _ = read(write(tmp_path / "a.ndjson", [*events, event(1.0, "x0")]))
    counts = reader.counts
    codes = counts.unknown_codes["streampixel"]
    assert counts.unknown == {"streampixel": 10_051}
    assert (len(codes), codes["x0"], len(counts.ignored)) == (10_000, 2, 1000)
    assert len(counts.ignored_fields().split(", ")) == 10


def test_events_without_an_id_are_identified_as_by_send(tmp_path: Path) -> None:
    """Equal rows of an input are different events; the same rows of another input are duplicates."""
    rows = [event(1.0, id=None, **session) for session in ({}, {"session_id": "s"}) for _ in "123"]
    paths = [write(tmp_path / name, rows) for name in ("a.ndjson", "b.ndjson")]
    reader = EventReader(TAXONOMY, NOW, lambda _: None)
    for path in paths:
        reader.read(Source(path))
    assert (reader.counts.counted, reader.counts.duplicates) == (6, 6)


def test_repeated_mistake_is_printed_three_times(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", [event(float(at), system="mine") for at in range(50)])
    reader, notes = read(path)
    assert reader.counts.rejected == {"unknown_system": 50}
    assert len(notes) == 4
    assert (
        notes[-1] == f"{path}:4: skipped, as are further events with this mistake (unknown_system)"
    )


def test_clock_skew_is_allowed_as_by_the_exporter(tmp_path: Path) -> None:
    allowed = Settings.model_fields["max_clock_skew"].default
    ends = [event(NOW - START + allowed + more) for more in (-1.0, 1.0)]
    reader, _ = read(write(tmp_path / "a.ndjson", ends))
    assert (reader.counts.counted, reader.counts.rejected) == (1, {"clock_skew": 1})


def test_ends_of_a_user_and_code_within_15_minutes_are_repeats(tmp_path: Path) -> None:
    """The 15 minutes begin with an end that is not a repeat."""
    mine = [event(at, user="u") for at in (0.0, 600.0, 890.0, 901.0)]
    others = [event(10.0, "4002", user="u"), event(20.0, user="v"), event(30.0), event(40.0)]
    others += [event(50.0, "1001", system=system, user="u") for system in TAXONOMY.systems]
    reader, _ = read(write(tmp_path / "a.ndjson", [*mine, *others]))
    (counters,) = (each for each in reader.ends.counters() if each.system == "streampixel")
    assert counters.codes == ("1001", "4001", "4002")
    assert counters.repeats[-1].tolist() == [0, 2, 0]
    assert [int(at) for at in np.flatnonzero(np.diff(counters.repeats[:, 1]))] == [20, 29]


def test_repeats_follow_within_15_minutes_in_any_order_of_the_file() -> None:
    users = Repeats()
    times = [10_000.0, 10_800.0, 10_900.0, 9_101.0, 8_000.0]
    assert [users.add("s", "1", "u", at) for at in times] == [False, True, False, False, False]
    assert [users.add("s", "1", "u", at) for at in (8_899.0, 7_101.0)] == [True, True]


def test_oldest_user_is_forgotten_past_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "_MOST_USERS", 2)
    users = Repeats()
    assert not any(users.add("s", "1", user, 0.0) for user in "abc")
    assert [users.add("s", "1", user, 1.0) for user in "cba"] == [True, True, False]
