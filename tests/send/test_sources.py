"""Every format reads back to the same events, in bounded memory, and bad records are told apart."""

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

from exporter.send.events import FIELDS, Event, Skipped, events
from exporter.send.lines import LONGEST
from exporter.send.occurrences import Occurrences
from exporter.send.options import Format
from exporter.send.sources import STDIN, Source

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


def read(path: Path, format: Format | None = None) -> tuple[list[Event], list[str]]:
    """The events, with the place cut down to the line, and what was said of the skipped."""
    sent, skipped = [], []
    source = Source(path, format)
    with Occurrences() as seen:
        for item in events("", source.read(FIELDS, lambda _: None), seen, lambda _: None):
            if isinstance(item, Skipped):
                skipped.append(f"{item.place[1:]} {item.message}")
            else:
                sent.append(item)
    return sent, skipped


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


def ndjson_rows(bad: str) -> str:
    return f'{{"system": "softdrive"}}\n{bad}\n{{"system": "softdrive", "code": 1}}\n'


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"system": "softdrive"', "not JSON: Expecting ',' delimiter at character 23"),
        ("[1]", "an event is a JSON object"),
        ('{"system": 1}', "system = 1: a string"),
        ('{"code": "01"}', "system: required"),
        ('{"system": ""}', "system: required"),
        ('{"system": "s", "system": "s"}', "'system' is there twice"),
        ('{"system": "s", "labels": {"a": "", "a": ""}}', "'a' is there twice"),
        ('{"system": "s", "code": 1.5}', "code = 1.5: a string or an integer"),
        ('{"system": "s", "code": true}', "code = true: a string or an integer"),
        ('{"system": "s", "duration_seconds": NaN}', "not JSON: NaN"),
        (
            '{"system": "s", "duration_seconds": 1e999}',
            "duration_seconds = Infinity: a finite number of at least 0",
        ),
        (
            '{"system": "s", "duration_seconds": -1}',
            "duration_seconds = -1: a finite number of at least 0",
        ),
        (
            '{"system": "s", "duration_seconds": true}',
            "duration_seconds = true: a finite number of at least 0",
        ),
        (
            f'{{"system": "s", "duration_seconds": 1{"0" * 400}}}',
            f"duration_seconds = 1{'0' * 98}…: a finite number of at least 0",
        ),
        (f'{{"system": "s", "code": 1{"0" * 5000}}}', "a number has too many digits"),
        ('{"system": "s", "final": "false"}', 'final = "false": true or false'),
        ('{"system": "s", "labels": ["a"]}', 'labels = ["a"]: an object'),
        ('{"system": "s", "labels": {"a": 1}}', "labels.a = 1: a string"),
        ('{"system": "s", "session_id": "\\ud800"}', "a string has half a character (a surrogate)"),
        ('{"system": "s", "id": "\\ud800"}', "a string has half a character (a surrogate)"),
        (
            f'{{"system": "s", "id": "{"é" * 65}"}}',
            f'id = "{"é" * 65}": at most 128 bytes',
        ),
        (f'{{"system": {"[" * 100_000}', "nested too deep"),
        ('{"system": "s", "id": "\udcff"}', "byte 24 is not UTF-8"),
        (f'{{"system": "{"s" * LONGEST}"}}', "longer than 1,048,576 bytes, or never closed"),
    ],
)
def test_a_bad_line_is_told_with_its_rule_and_the_rest_goes_on(
    bad: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes(ndjson_rows(bad).encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert skipped == [f"2 {message}"]
    assert [event.place for event in sent] == [":1", ":3"]


def test_no_depth_of_nesting_ends_the_reading(tmp_path: Path) -> None:
    """There are depths that json can parse and then not write into the message."""
    path = tmp_path / "a.ndjson"
    depths = range(1, 1100)
    path.write_text("".join(f'{{"system": {"[" * n}{"]" * n}}}\n' for n in depths))
    sent, skipped = read(path)
    assert (sent, len(skipped)) == ([], len(depths))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("softdrive,01,,x,", "duration_seconds = 'x': a number, such as 12.5"),
        ("softdrive,01,,nan,", "duration_seconds = 'nan': a number, such as 12.5"),
        ("softdrive,01,,1_0,", "duration_seconds = '1_0': a number, such as 12.5"),
        ("softdrive,01,,1e999,", "duration_seconds = Infinity: a finite number of at least 0"),
        ("softdrive,01,maybe,,", "final = 'maybe': one of true, 1, yes, false, 0, no"),
        (",01,,,", "system: required"),
        ("softdrive,01", "2 cells where the header has 5"),
        ("softdrive,01,,,,,", "7 cells where the header has 5"),
        ('softdrive,"01"x,,,', "not CSV: ',' expected after '\"'"),
        ("softdrive,\udcff,,,", "byte 11 is not UTF-8"),
        (f"softdrive,{'0' * LONGEST},,,", "longer than 1,048,576 bytes, or never closed"),
        (
            f"softdrive,{'0' * 200_000},,,",
            "not CSV: field larger than field limit (131072)",
        ),
    ],
)
def test_a_bad_row_is_told_with_its_rule_and_the_rest_goes_on(
    row: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    header = "system,code,final,duration_seconds,session_id\n"
    content = f'{header}softdrive,,,,"a\nb"\n,,,,\n{row}\n\nsoftdrive,,,,c\n'
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert skipped == [f"5 {message}"]
    assert [event.place for event in sent] == [":2", ":7"]


def test_a_quote_that_is_never_closed_is_told_and_does_not_hide_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('system,session_id\nsoftdrive,"a\nsoftdrive,b\n')
    assert read(path) == ([], ["2 not CSV: unexpected end of data"])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b", "1 no header row with a column named system: nothing is read"),
        ("system,code,code", "1 the header row has 'code' twice"),
        ("system,label_a,labels.a", "1 the header row has 'labels.a' twice"),
    ],
)
def test_a_csv_with_a_wrong_header_is_not_read(header: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nsoftdrive,1,2\n")
    assert read(path) == ([], [message])


@pytest.mark.parametrize(
    ("content", "lines", "message"),
    [
        ('[{"system": "a"}, 7,\n {"system": "b"}]', [1, 2], "1 an event is a JSON object"),
        ('[{"system": "a"},\n {"system": 1,},\n{"system": "b"}]', [1, 3], "2 not JSON"),
        ('{"system": "a"} x\n{"system": "b"}', [1, 2], "1 not JSON"),
        ('[[{"system": "a"}],\n{"system": "b"}]', [2], "1 an event is a JSON object"),
        ('[{"system": "a"},\n{"system": "b"', [1], "2 the file ends inside this event"),
        ('[{"system": "a"},\n{"system": "b', [1], "2 the file ends inside this event"),
        ('[{"system": "a"},\n', [1], "2 the file ends inside the array: cut short?"),
        ('{"system": "a"}\n]', [1], "2 not JSON"),
    ],
)
def test_a_bad_element_of_a_json_file_is_told_and_the_rest_goes_on(
    content: str, lines: list[int], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    sent, skipped = read(path)
    assert skipped[0].startswith(message)
    assert [event.place for event in sent] == [f":{line}" for line in lines]


def test_an_element_too_long_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'[{{"system": "{"s" * 2 * LONGEST}"}},\n{{"system": "a"}}]')
    sent, skipped = read(path)
    assert skipped == ["1 longer than 1,048,576 bytes, or never closed"]
    assert [event.place for event in sent] == [":2"]


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


def test_a_gz_that_is_cut_short_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    rows = "".join(
        f'{{"system": "a", "session_id": "{os.urandom(30).hex()}"}}\n' for _ in range(4000)
    )
    data = gzip.compress(rows.encode())
    path.write_bytes(data[: len(data) // 2])
    sent, skipped = read(path)
    assert 0 < len(sent) < 4000
    assert len(skipped) == 1
    assert "can't be read any further: Compressed file ended" in skipped[0]


def test_a_gz_with_damage_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"system": "a"}\n')[:-8] + b"\0" * 8)
    assert "can't be read any further: CRC check failed" in read(path)[1][0]
    path.write_bytes(b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 40)
    assert "can't be read any further" in read(path)[1][0]


def test_utf_16_is_told_instead_of_a_thousand_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("system\na\n".encode("utf-16"))
    assert read(path) == ([], ["1 UTF-16: save it as UTF-8"])


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
