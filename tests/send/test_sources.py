"""Inputs of every format: the same events, invalid records, pipes, and bounded memory."""

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
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.errors import Rejected
from exporter.event_fields import FIELDS
from exporter.send import records
from exporter.send.events import events
from exporter.send.options import Format
from exporter.send.report import Report
from exporter.send.sources import STDIN, Source

from .conftest import Read, Sender

NOT_UTF_8 = (
    "not UTF-8; is it Windows-1252, with 'ÿ'? Save it as UTF-8, or "
    "iconv -f windows-1252 -t utf-8 FILE | session-end-exporter send -"
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"system": "softdrive"', "not JSON: Expecting ',' delimiter at character 23"),
        ('{"system": "s', "not JSON: Unterminated string starting at character 12"),
        ("[1]", "an event must be a JSON object"),
        ('{"system": "s", "labels": {"a": "", "a": ""}}', "duplicate key 'a'"),
        ('{"system": "s", "duration_seconds": NaN}', "not JSON: NaN"),
        (f'{{"system": "s", "code": 1{"0" * 5000}}}', "a number has too many digits"),
        ('{"system": "\\ud800"}', "a string contains a lone surrogate"),
        ('{"system": "s", "id": "\udcff"}', NOT_UTF_8),
        (f'{{"system": {"[" * 100_000}', "nested too deeply"),
    ],
)
def test_ndjson_skips_an_invalid_line(line: str, message: str, read: Read) -> None:
    text = f'{{"system": "softdrive"}}\n{line}\n{{"system": "softdrive", "code": 1}}\n'
    sent = read(text.encode("utf-8", "surrogateescape"))
    assert (sent.lines, sent.skipped) == ([1, 3], [f"2: {message}"])


def test_nesting_of_any_depth_does_not_end_the_reading(read: Read) -> None:
    """Some depths can be parsed by Python's json but not written."""
    sent = read("".join(f'{{"system": {"[" * n}{"]" * n}}}\n' for n in range(1, 1100)))
    assert sent.lines[0] == 1
    assert all(line.endswith("nested too deeply") for line in sent.skipped[:20])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("softdrive;01", "2 cells, but the header has 3"),
        ('softdrive;"01"x;', "not CSV: ';' expected after '\"'"),
        ("softdrive;\udcff;", NOT_UTF_8),
        (f"softdrive;{'0' * 2_000_000};", "not CSV: field larger than field limit (131072)"),
    ],
)
def test_csv_skips_an_invalid_row(row: str, message: str, read: Read) -> None:
    text = f'\nsystem;code;session_id\nsoftdrive;;"a\nb"\n;;\n{row}\n\nsoftdrive;;c\n'
    sent = read(text.encode("utf-8", "surrogateescape"), "a.csv")
    assert (sent.lines, sent.skipped) == ([3, 8], [f"6: {message}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",,\nsystem,code\na,b\n", "1: the header has no column `system`"),
        ('system,code\nsoftdrive,"a\n', "2: not CSV: a quote is not closed"),
        (
            "system,code,label_a,labels.a\na,b,c,d\n",
            "1: the header has 2 columns for `labels.a`: label_a, labels.a; name one of them: ",
        ),
    ],
)
def test_csv_without_a_usable_row_says_why(text: str, message: str, read: Read) -> None:
    sent, [skipped] = read(text, "a.csv")
    assert sent == []
    assert skipped.startswith(message)


@pytest.mark.parametrize("quotes", [[7], [7, 8], [7, 3000], [7, 4999], [0, 1]], ids=str)
def test_csv_quote_that_is_not_closed_costs_its_row_only(quotes: list[int], read: Read) -> None:
    """Thousands of rows were one cell until the next quote, the end, or the limit of 131,072 characters."""
    cells = ['"open' if number in quotes else "a note" for number in range(5000)]
    rows = "".join(f"softdrive,08,s-{number},{cell}\n\n" for number, cell in enumerate(cells))
    sent = read(f"system,code,session_id,note\n{rows}", "a.csv")
    lost = [2 + 2 * number for number in quotes]
    assert sent.skipped == [f"{line}: not CSV: a quote is not closed" for line in lost]
    assert sent.lines == [line for line in range(2, 10_002, 2) if line not in lost]


def test_csv_cells_become_values_and_codes_keep_their_zeros(read: Read) -> None:
    columns = "id,system,code,final,duration_seconds,labels.region,label_project \n"
    rows = "1,a,01,NO,12.5,eu,\n2,a,,1,,,x\n3,a,08,yes,1e2,,\n4,a,,maybe,x,,\n"
    sent = read(columns + rows, "a.csv")
    assert sent.skipped == []
    first = {"code": "01", "final": False, "duration_seconds": 12.5, "labels": {"region": "eu"}}
    assert sent.bodies == [
        {"id": "1", "system": "a", **first},
        {"id": "2", "system": "a", "labels": {"project": "x"}},
        {"id": "3", "system": "a", "code": "08", "duration_seconds": 100.0},
        {"id": "4", "system": "a", "final": "maybe", "duration_seconds": "x"},
    ]


@pytest.mark.parametrize(
    ("content", "lines", "message"),
    [
        ('[{"system": "a"}, 7,\n {"system": "b"}]', [1, 3], "2: an event must be a JSON object"),
        ('[{"system": "a"},\n {"system": 1,}]', [], "1: not JSON: "),
        ('[{"system": "a", "system": "a"}]', [], "1: duplicate key 'system'"),
        (
            '{"system": "a"}{"system": "b"} x',
            [1, 2],
            "3: not JSON: Expecting value at character 32",
        ),
        ('[{"system": "a"},\n{', [], "1: not JSON: "),
        ('[{"system": "a"}\n', [], "1: not JSON: Expecting ',' delimiter at line 2, character 1"),
        (f"[{' ' * (64 << 20)}", [], "1: JSON of more than 64 MiB: write an event per line"),
    ],
)
def test_json_is_read_until_it_is_invalid(
    content: str, lines: list[int], message: str, read: Read
) -> None:
    sent = read(content, "a.json")
    assert sent.lines == lines
    assert [line[: len(message)] for line in sent.skipped] == [message]


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(str.strip)
text = text.filter(lambda cell: cell not in ("NULL", "null", "\\N", "NaN", "nan"))  # empty in CSV
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
    columns = [*sorted({*FIELDS} - {"labels"}), "labels.region", "label_project"]
    writer = csv.DictWriter(file, columns, delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        region, project = map(row.get("labels", {}).get, ("region", "project"))
        writer.writerow(row | {"labels.region": region, "label_project": project})
    return file.getvalue()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(rows=st.lists(record, max_size=8))
@example(rows=[{"system": "softdrive", "session_id": "a\rb"}])
def test_every_format_gives_the_same_events_and_ids(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    read = Read(tmp_path_factory.getbasetemp())
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
            sent = read(content, "events", format)
            assert sent.skipped == []
            results.append([event.body for event in sent.events])
    assert len(results[0]) == len(rows)
    assert all(result == results[0] for result in results)


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
        ("a.csv", "sep=;\n", "csv", 0),
        ("a.csv", "\n", "csv", 0),
        ("a.json", "", "json", 0),
    ],
)
def test_format_is_detected_by_suffix_or_content(
    name: str, content: str, format: Format, count: int, read: Read
) -> None:
    text = content.encode()
    for as_named, written in ((name, text), (f"{name}.gz", gzip.compress(text))):
        sent = read(written, as_named)
        assert (len(sent.events), sent.skipped) == (count, [])
        assert read(written, "misnamed.csv", format).bodies == sent.bodies


def test_log_whose_first_line_is_cut_off_is_read(read: Read) -> None:
    """Fails when the first line is taken for JSON over several lines, which is read to its end."""
    sent = read('{"system": "a", "co\n{"system": "b"}\n', "a.log")
    assert (sent.lines, len(sent.skipped)) == ([2], 1)


def test_rest_of_a_line_that_is_too_long_is_no_event(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_CHARACTERS", 20)
    sent = read("x" * 20 + '{"system": "a"}\n{"system": "b"}\n', format="ndjson")
    assert (sent.lines, len(sent.skipped)) == ([2], 1)


def test_path_of_a_pipe_is_opened_once(sender: Sender) -> None:
    """A shell substitutes such a path for <(command)."""
    inlet, outlet = os.pipe()
    with open(inlet):
        os.write(outlet, b"system,code\nsoftdrive,\n")
        os.close(outlet)
        assert sender(Path(f"/dev/fd/{inlet}")).accepted == 1


ROW = '{"system": "a"}\n'
PAGE = '{"events": [{"system": "a"}]}\n'
WITH_A_LIST = '{"items": [1], "system": "a", "code": 9}\n'


@pytest.mark.parametrize(
    ("writes", "reads", "format"),
    [
        (['{"system":', ' "a"}\n', ROW, ROW], ["2", "3", "4"], None),
        (['{"system": "a",}\n', ROW, ROW], ["1 rejected", "2", "3"], None),
        ([WITH_A_LIST, ROW, WITH_A_LIST], ["1", "2", "3"], None),
        ([WITH_A_LIST, ROW, WITH_A_LIST], ["1", "2", "3"], "ndjson"),
        ([PAGE, PAGE], ["1", "2"], None),
        ([PAGE, PAGE], ["1", "2"], "ndjson"),
        ([PAGE, PAGE], ["2", "2"], "json"),
        (["\n", "Started app.\n", ROW, "\n", ROW], ["2 rejected", "3", "5"], None),
        (["\n", ROW, ROW], ["2", "3"], None),
        (["[main] Started app.\n", ROW, ROW], ["1 rejected", "2", "3"], None),
        (["{\n", '"system": "a"\n', "}\n", '{\n"system": "b"}\n'], ["4", "4"], None),
        (["[\n", '{"system": "a"},\n', '{"system": "a"}\n', "]\n"], ["4", "4"], None),
        (["\n", "system,code\n", "a,1\n", "a,1\n"], ["3", "4"], None),
    ],
)
def test_each_line_of_a_pipe_is_read_before_more_arrives(
    writes: list[str], reads: list[str], format: Format | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`reads` has for each record the number of writes before it was read: JSON is read to its end."""
    inlet, outlet = os.pipe()
    notes: list[str] = []
    written = 0

    def write() -> None:
        nonlocal written
        if written == len(writes):
            os.close(outlet)
        else:
            written += 1
            os.write(outlet, writes[written - 1].encode())

    with open(inlet) as pipe:
        monkeypatch.setattr(sys, "stdin", pipe)
        source = Source(STDIN, format)
        source.on_idle = write
        records = [
            f"{written} rejected" if isinstance(record, Rejected) else str(written)
            for _, record in source.read(notes.append)
        ]
    assert records == reads
    is_json = len(set(reads)) == 1
    assert any("JSON is read to its end" in note for note in notes) == is_json


@pytest.mark.parametrize(
    ("name", "begin", "row"),
    [
        ("a.ndjson", "", '{"system": "a", "note": "%s"}\n'),
        ("a.csv", "system,code,note\n", "a,,%s\n"),
        ("quote.csv", 'system,code,note\na,,"', "%s\n"),
    ],
)
def test_memory_does_not_grow_with_the_file(
    name: str, begin: str, row: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(begin + (row % ("x" * 10_000)) * 1_200)
    source = Source(path)
    tracemalloc.start()
    try:
        for _ in events(source, Report(), lambda _: None):
            assert 0 < source.position() <= source.size
        assert source.position() == source.size
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
