"""Every format reads back to the same events, in bounded memory."""

import contextlib
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.send.events import FIELDS, events
from exporter.send.occurrences import Occurrences
from exporter.send.options import Format
from exporter.send.sources import STDIN, Source
from tests.send.reading import read

from .conftest import Sender
from .fake_exporter import FakeExporter

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


def as_csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    columns = [*sorted(FIELDS - {"labels"}), "labels.region", "label_project", "note"]
    writer = csv.DictWriter(file, columns, restval="")
    writer.writeheader()
    for row in rows:
        labels = row.get("labels", {})
        flat = {name: value for name, value in row.items() if name != "labels"}
        flat |= {"labels.region": labels.get("region"), "label_project": labels.get("project")}
        writer.writerow(flat)
    return file.getvalue()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=records)
def test_events_and_ids_are_the_same_in_every_format(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    forms = {
        "array.json": json.dumps(rows),
        "pretty.json": json.dumps(rows, indent=2, ensure_ascii=False),
        "row.json": "".join(json.dumps(row, indent=1) for row in rows),
        "lines.ndjson": "".join(json.dumps(row) + "\n" for row in rows),
        "dos.jsonl": "\r\n\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
        "table.csv": as_csv(rows),
        "excel.csv": "\ufeff" + as_csv(rows),
    }
    found = {}
    for name, form in forms.items():
        data = form.encode()
        for path, content in ((folder / name, data), (folder / f"{name}.gz", gzip.compress(data))):
            path.write_bytes(content)
            sent, skipped = read(path)
            assert skipped == []
            found[path.name] = [(event.id, event.body) for event in sent]
    assert len(found["array.json"]) == len(rows)
    assert all(form == found["array.json"] for form in found.values()), found


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=records)
def test_sending_twice_in_two_formats_counts_once(rows: list[dict[str, Any]]) -> None:
    from .fake_exporter import fake_exporter

    # An id twice with different contents is a conflict of the sender's own making.
    rows = [{**row, "id": f"own-{n}"} if "id" in row else row for n, row in enumerate(rows)]
    with fake_exporter() as server, contextlib.ExitStack() as stack:
        import tempfile

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sender = Sender(folder, server.url)
        first = sender(sender.file("a.json", json.dumps(rows)), batch=3)
        second = sender(sender.file("b.csv", as_csv(rows[::-1])), batch=2)
        assert (first.accepted, first.exit_code) == (len(rows), 0)
        assert (second.duplicates, second.accepted, second.exit_code) == (len(rows), 0, 0)
        assert len(server.counted) == len(rows)


def test_codes_keep_their_zeros_and_cells_become_values(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "system,code,final,duration_seconds,labels.region,label_project\n"
        "softdrive,01,NO,12.5,eu,\n"
        "softdrive,,1,,,x\n"
        "softdrive,08,yes,1e2,,\n"
    )
    sent, skipped = read(path)
    bodies = [json.loads(event.body) for event in sent]
    assert skipped == []
    for body in bodies:
        del body["id"]
    assert bodies == [
        {
            "system": "softdrive",
            "code": "01",
            "final": False,
            "duration_seconds": 12.5,
            "labels": {"region": "eu"},
        },
        {"system": "softdrive", "labels": {"project": "x"}},
        {"system": "softdrive", "code": "08", "duration_seconds": 100.0},
    ]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_the_delimiter_is_the_headers(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("system,code,session_id\nsoftdrive,01,a\n".replace(",", delimiter))
    sent, _ = read(path)
    assert json.loads(sent[0].body)["code"] == "01"


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 70))
def test_elements_are_found_wherever_a_chunk_ends(size: int, shift: int) -> None:
    from exporter.send import documents

    content = b" " * shift + rb'[{"a": "\"}\\", "b": [{}, "]"]}, {"c": "\\\"{"}] {"d": 1}'

    class Dripping(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    found = [record for _, record in documents.documents(Dripping(content))]
    assert found == [{"a": '"}\\', "b": [{}, "]"]}, {"c": '\\"{'}, {"d": 1}]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ('{"system": "a"}\n{"system": "b"}\n', "ndjson"),
        ('\n{"system": "a"}', "ndjson"),
        ('{\n "system": "a"}{"system": "b"}', "json"),
        (' [{"system": "a"},{"system": "b"}]', "json"),
        ("code,system\n,a\n,b\n", "csv"),
    ],
)
def test_without_a_telling_suffix_the_format_is_sniffed(
    content: str, format: Format, tmp_path: Path
) -> None:
    for data in (content.encode(), gzip.compress(content.encode())):
        path = tmp_path / "events.log"
        path.write_bytes(data)
        sent, skipped = read(path)
        assert skipped == []
        assert (sent, skipped) == read(path, format)
        assert sent


def test_the_format_given_wins_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('{"system": "a"}\n')
    assert len(read(path, "ndjson")[0]) == 1


def test_an_empty_input_has_no_events(tmp_path: Path) -> None:
    for name in ("a.json", "a.ndjson", "a.csv", "a"):
        path = tmp_path / name
        path.write_bytes(b"")
        assert read(path) == ([], [])


def test_standard_input_may_be_a_pipe_that_drips(
    server: FakeExporter, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    inlet, outlet = os.pipe()
    os.write(outlet, gzip.compress(b'{"system": "softdrive"}\n' * 3))
    os.close(outlet)
    with open(inlet) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        assert sender(STDIN).accepted == 3


def test_a_pipe_of_the_shell_is_read_once(server: FakeExporter, sender: Sender) -> None:
    inlet, outlet = os.pipe()
    os.write(outlet, b'{"system": "softdrive"}\n' * 3)
    os.close(outlet)
    try:
        assert sender(Path(f"/dev/fd/{inlet}")).accepted == 3
    finally:
        os.close(inlet)


@pytest.mark.parametrize("form", ["a.ndjson", "a.csv", "a.json", "one-line.json", "quote.csv"])
def test_memory_does_not_grow_with_the_file(form: str, tmp_path: Path) -> None:
    """Bound to Python's allocations; SQLite's cache has its own bound, tested with occurrences."""
    path = tmp_path / form

    def content() -> Iterator[str]:
        rows = range(2_000)
        filler = "x" * 10_000
        if form == "a.ndjson":
            yield from (f'{{"system": "a", "note": "{filler}", "code": {n}}}\n' for n in rows)
        elif form == "a.csv":
            yield "system,code,note\n"
            yield from (f"a,{n},{filler}\n" for n in rows)
        elif form == "a.json":
            yield "["
            yield from (f'{{"system": "a", "note": "{filler}", "code": {n}}},\n' for n in rows)
            yield '{"system": "a"}]'
        elif form == "quote.csv":
            yield 'system,code,note\na,1,"'
            yield from (f"{n}{filler}\n" for n in rows)
        else:
            yield '{"system": "'
            yield from (filler for _ in rows)

    with path.open("w") as file:
        file.writelines(content())
    read(path.parent / os.devnull)
    tracemalloc.start()
    try:
        source = Source(path)
        with Occurrences() as seen:
            for _ in events("", source.read(FIELDS, lambda _: None), seen, lambda _: None):
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 8_000_000


def test_importing_the_package_brings_no_network_no_bar_and_no_database() -> None:
    heavy = ("rich", "http.client", "ssl", "sqlite3", "gzip", "pydantic")
    code = f"import sys, exporter.send; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
