"""Inputs: the same events from every format, detected formats, pipes, and bounded memory."""

import csv
import gzip
import io
import json
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.send.events import events
from exporter.send.options import Format
from exporter.send.records import FIELDS, json_records
from exporter.send.report import Report
from exporter.send.sources import STDIN, Source

from .conftest import Sender
from .fake_exporter import FakeExporter, fake_exporter
from .test_records import read

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
records = st.lists(
    st.fixed_dictionaries(
        {"system": st.sampled_from(["softdrive", "streampixel"])},
        optional={
            "id": st.text("abc-é", min_size=1, max_size=20),
            "code": st.sampled_from(["01", "1", "4001", ""]) | st.integers(),
            "session_id": text,
            "occurred_at": st.just("2026-11-20T19:00:00Z"),
            "duration_seconds": st.floats(0, 1e9) | st.integers(0, 10**6),
            "phase": st.sampled_from(["connect", "stream"]),
            "final": st.booleans(),
            "labels": st.dictionaries(st.sampled_from(["region", "project"]), text | st.just("")),
        },
    ),
    max_size=8,
)


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    file = io.StringIO()
    columns = [*sorted(FIELDS - {"labels"}), "labels.region", "label_project", "note"]
    writer = csv.DictWriter(file, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        labels = row.get("labels", {})
        flat = {name: value for name, value in row.items() if name != "labels"}
        flat |= {"labels.region": labels.get("region"), "label_project": labels.get("project")}
        writer.writerow(flat)
    return file.getvalue()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(rows=records)
def test_every_format_gives_the_same_events_and_ids(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "events"
    forms: list[tuple[Format, str]] = [
        ("json", json.dumps(rows)),
        ("json", json.dumps(rows, indent=2, ensure_ascii=False)),
        ("json", "".join(json.dumps(row, indent=1) for row in rows)),
        ("ndjson", "".join(json.dumps(row) + "\n" for row in rows)),
        ("ndjson", "\r\n\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)),
        ("csv", as_csv(rows)),
        ("csv", "\ufeff" + as_csv(rows, ";")),
    ]
    results = []
    for format, form in forms:
        for content in (form.encode(), gzip.compress(form.encode())):
            path.write_bytes(content)
            sent, skipped = read(path, format)
            assert skipped == []
            results.append([(event.id, event.body) for event in sent])
    assert len(results[0]) == len(rows)
    assert all(result == results[0] for result in results)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=25)
@given(rows=records)
def test_a_repeat_in_another_format_counts_nothing_twice(rows: list[dict[str, Any]]) -> None:
    # The same id twice with different content would be a conflict.
    rows = [{**row, "id": f"own-{n}"} if "id" in row else row for n, row in enumerate(rows)]
    with fake_exporter() as server, tempfile.TemporaryDirectory() as folder:
        sender = Sender(Path(folder), server.url)
        first = sender(sender.file("a.json", json.dumps(rows)), batch=3)
        second = sender(sender.file("b.csv", as_csv(rows[::-1])), batch=2)
        assert (first.accepted, first.exit_code) == (len(rows), 0)
        assert (second.duplicates, second.accepted, second.exit_code) == (len(rows), 0, 0)
        assert len(server.counted) == len(rows)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 70))
def test_json_elements_are_the_same_wherever_a_chunk_ends(size: int, shift: int) -> None:
    content = " " * shift + r'[{"a": "\"}\\", "b": [{}, "]"]}, {"c": "\\\"{"}] {"d": 1}'

    class Chunks(io.StringIO):
        def read(self, _: int | None = -1) -> str:
            return super().read(size)

    elements = [element for _, element in json_records(Chunks(content))]
    assert elements == [{"a": '"}\\', "b": [{}, "]"]}, {"c": '\\"{'}, {"d": 1}]


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.log", '{"system": "a"}\n{"system": "b"}\n', "ndjson"),
        ("a.log", '\n{"system": "a"}', "ndjson"),
        ("a.log", '{\n "system": "a"}{"system": "b"}', "json"),
        ("a.log", ' [{"system": "a"},{"system": "b"}]', "json"),
        ("a.log", "code,system\n,a\n,b\n", "csv"),
        ("A.JSONL", '{"system": "a"}\n', "ndjson"),
        ("a.tsv", "system\tcode\na\t1\n", "csv"),
    ],
)
def test_the_format_is_detected_by_suffix_or_content(
    name: str, content: str, format: Format, tmp_path: Path
) -> None:
    path = tmp_path / name
    for data in (content.encode(), gzip.compress(content.encode())):
        path.write_bytes(data)
        sent, skipped = read(path)
        assert sent
        assert skipped == []
        assert (sent, skipped) == read(path, format)


def test_the_given_format_overrides_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('{"system": "a"}\n')
    assert len(read(path, "ndjson")[0]) == 1


@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.csv", "a"])
def test_an_empty_input_has_no_events(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert read(tmp_path / name) == ([], [])


def test_pipes_are_read_once(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input, and what a shell makes of <(command)."""
    for content in (gzip.compress(b'{"system": "softdrive"}\n' * 3), b"system\nsoftdrive\n"):
        inlet, outlet = os.pipe()
        os.write(outlet, content)
        os.close(outlet)
        with open(inlet) as pipe:
            monkeypatch.setattr(sys, "stdin", pipe)
            path = STDIN if content.startswith(b"\x1f") else Path(f"/dev/fd/{inlet}")
            assert sender(path).exit_code == 0
            assert not pipe.closed
    assert sender.output.startswith("/dev/fd")


def test_an_event_on_standard_input_is_read_before_the_pipe_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inlet, outlet = os.pipe()
    with open(inlet) as pipe, open(outlet, "wb", 0) as writer:
        monkeypatch.setattr(sys, "stdin", pipe)
        writer.write(b'{"system": "a"}\n')
        event = next(events(Source(STDIN), Report(), lambda _: None))
        assert event.place == "<stdin>:1"


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.json", "string.json", "quote.csv"])
def test_memory_does_not_grow_with_the_file(name: str, tmp_path: Path) -> None:
    """Python's allocations; those of SQLite have a test of their own."""
    path = tmp_path / name
    filler = "x" * 10_000

    def content() -> Iterator[str]:
        begin, row, end = {
            "a.ndjson": ("", f'{{"system": "a", "note": "{filler}", "code": %d}}\n', ""),
            "a.csv": ("system,code,note\n", f"a,%d,{filler}\n", ""),
            "a.json": ("[", f'{{"system": "a", "note": "{filler}", "code": %d}},\n', "{}]"),
            "string.json": ('{"system": "', f"%d{filler}", ""),
            "quote.csv": ('system,code,note\na,1,"', f"%d{filler}\n", ""),
        }[name]
        yield begin
        yield from (row % number for number in range(2_000))
        yield end

    with path.open("w") as file:
        file.writelines(content())
    tracemalloc.start()
    try:
        for _ in events(Source(path), Report(), lambda _: None):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 8_000_000
