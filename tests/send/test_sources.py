"""Inputs: the same events from every format, detected formats, pipes, and bounded memory."""

import csv
import gzip
import io
import json
import os
import sys
import tracemalloc
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
from .test_records import read

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
optional = {
    "id": st.text("abc-é", min_size=1, max_size=20),
    "code": st.sampled_from(["01", "1", "4001", ""]) | st.integers(),
    "session_id": text,
    "duration_seconds": st.floats(0, 1e9) | st.integers(0, 10**6),
    "final": st.booleans(),
    "labels": st.dictionaries(st.sampled_from(["region", "project"]), text | st.just("")),
}
record = st.fixed_dictionaries({"system": st.just("softdrive")}, optional=optional)


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    file = io.StringIO()
    columns = [*sorted(FIELDS - {"labels"}), "labels.region", "label_project"]
    writer = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        region, project = map(row.get("labels", {}).get, ("region", "project"))
        writer.writerow(row | {"labels.region": region, "label_project": project})
    return file.getvalue()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(rows=st.lists(record, max_size=8))
def test_every_format_gives_the_same_events_and_ids(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "events"
    forms: list[tuple[Format, str]] = [
        ("json", json.dumps(rows)),
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
            results.append([event.body for event in sent])
    assert len(results[0]) == len(rows)
    assert all(result == results[0] for result in results)


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
    ("name", "content", "format", "count"),
    [
        ("a.log", '\n{"system": "a"}\n{"system": "b"}\n', "ndjson", 2),
        ("a.log", '{\n "system": "a"}{"system": "b"}', "json", 2),
        ("a.log", ' [{"system": "a"},{"system": "b"}]', "json", 2),
        ("a.log", "code,system\n,a\n,b\n", "csv", 2),
        ("A.JSONL", '{"system": "a"}\n', "ndjson", 1),
        ("a.tsv", "system\tcode\na\t1\n", "csv", 1),
        ("a", "", "csv", 0),
        ("a.json", "", "json", 0),
    ],
)
def test_the_format_is_detected_by_suffix_or_content(
    name: str, content: str, format: Format, count: int, tmp_path: Path
) -> None:
    for path in (tmp_path / name, tmp_path / f"{name}.gz"):
        path.write_bytes(
            gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode()
        )
        sent, skipped = read(path)
        assert (len(sent), skipped) == (count, [])
        misnamed = path.rename(tmp_path / "misnamed.csv")
        assert [event.body for event in read(misnamed, format)[0]] == [event.body for event in sent]


def test_pipes_are_read_once_and_as_events_arrive(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard input, and what a shell makes of <(command)."""
    inlet, outlet = os.pipe()
    with open(inlet) as pipe, open(outlet, "wb", 0) as writer:
        monkeypatch.setattr(sys, "stdin", pipe)
        writer.write(b'{"system": "softdrive"}\n')
        stream = events(Source(STDIN), Report(), lambda _: None)
        assert next(stream).place == "<stdin>:1"
        stream.close()
        writer.write(b"system\nsoftdrive\n")
        writer.close()
        assert sender(Path(f"/dev/fd/{inlet}")).accepted == 1


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.json", "string.json", "quote.csv"])
def test_memory_does_not_grow_with_the_file(name: str, tmp_path: Path) -> None:
    """Python's allocations; those of SQLite have a test of their own."""
    filler = "x" * 10_000
    begin, row, end = {
        "a.ndjson": ("", f'{{"system": "a", "note": "{filler}", "code": %d}}\n', ""),
        "a.csv": ("system,code,note\n", f"a,%d,{filler}\n", ""),
        "a.json": ("[", f'{{"system": "a", "note": "{filler}", "code": %d}},\n', "{}]"),
        "string.json": ('{"system": "', f"%d{filler}", ""),
        "quote.csv": ('system,code,note\na,1,"', f"%d{filler}\n", ""),
    }[name]
    path = tmp_path / name
    path.write_text(begin + "".join(row % number for number in range(2_000)) + end)
    tracemalloc.start()
    try:
        for _ in events(Source(path), Report(), lambda _: None):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 8_000_000
