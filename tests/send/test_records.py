"""Records of every format: invalid records are skipped with line and rule, the others are sent."""

import gzip
import json
import os
from pathlib import Path

import pytest

from exporter.send.events import Event, events
from exporter.send.options import Format
from exporter.send.records import MAX_CHARACTERS
from exporter.send.report import Report
from exporter.send.sources import Source

TOO_LONG = "longer than 1,048,576 characters, or a quote or bracket is not closed"
NOT_UTF_8 = "a string is not UTF-8, or has half a surrogate pair"


def read(path: Path, format: Format | None = None) -> tuple[list[Event], list[str]]:
    """The events of a file, and the lines printed about skipped records, without the path."""
    printed: list[str] = []
    report = Report(print_line=printed.append)
    sent = list(events(Source(path, format), report, lambda _: None))
    return sent, [line.removeprefix(f"{path}:").replace(" skipped:", "") for line in printed]


def numbers(sent: list[Event]) -> list[int]:
    return [int(event.place.rpartition(":")[2]) for event in sent]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"system": "softdrive"', "not JSON: Expecting ',' delimiter at character 23"),
        ('{"system": "s', "not JSON: Unterminated string starting at character 12"),
        ("[1]", "an event must be a JSON object"),
        ('{"system": "s", "labels": {"a": "", "a": ""}}', "duplicate key 'a'"),
        ('{"system": "s", "duration_seconds": NaN}', "not JSON: NaN"),
        (f'{{"system": "s", "code": 1{"0" * 5000}}}', "a number has too many digits"),
        ('{"system": "\\ud800"}', NOT_UTF_8),
        ('{"system": "s", "id": "\udcff"}', NOT_UTF_8),
        (f'{{"system": {"[" * 100_000}', "nested too deeply"),
        (f'{{"system": "{"s" * 2 * MAX_CHARACTERS}"}}', TOO_LONG),
    ],
)
def test_ndjson_skips_an_invalid_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    text = f'{{"system": "softdrive"}}\n{line}\n{{"system": "softdrive", "code": 1}}\n'
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert (numbers(sent), skipped) == ([1, 3], [f"2: {message}"])


def test_nesting_of_any_depth_does_not_end_the_reading(tmp_path: Path) -> None:
    """There are depths that json can parse and then cannot write."""
    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"system": {"[" * n}{"]" * n}}}\n' for n in range(1, 1100)))
    sent, skipped = read(path)
    assert numbers(sent)[0] == 1
    assert all(line.endswith("nested too deeply") for line in skipped[:20])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("softdrive;01", "2 cells, but the header has 3"),
        ('softdrive;"01"x;', "not CSV: ';' expected after '\"'"),
        ("softdrive;\udcff;", NOT_UTF_8),
        (f"softdrive;{'0' * 2_000_000};", "not CSV: field larger than field limit (131072)"),
    ],
)
def test_csv_skips_an_invalid_row(row: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = f'\nsystem;code;session_id\nsoftdrive;;"a\nb"\n;;\n{row}\n\nsoftdrive;;c\n'
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert (numbers(sent), skipped) == ([3, 8], [f"6: {message}"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('system,id\nsoftdrive,"a\nsoftdrive,b\n', "2: not CSV: unexpected end of data"),
        ("a,b\nc,d\n", "1: the header row has no column `system`: no row is read"),
        ("system,label_a,labels.a\na,b,c\n", "1: the header row has 'labels.a' twice"),
        ("system\na\n", "1: the file is UTF-16: save it as UTF-8"),
    ],
)
def test_csv_without_a_usable_row_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-16" if "UTF-16" in message else "utf-8")
    assert read(path) == ([], [message])


def test_csv_cells_become_values_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    columns = "id,system,code,final,duration_seconds,labels.region,label_project\n"
    path.write_text(columns + "1,a,01,NO,12.5,eu,\n2,a,,1,,,x\n3,a,08,yes,1e2,,\n4,a,,maybe,x,,\n")
    sent, skipped = read(path)
    assert skipped == []
    first = {"code": "01", "final": False, "duration_seconds": 12.5, "labels": {"region": "eu"}}
    assert [json.loads(event.body) for event in sent] == [
        {"id": "1", "system": "a", **first},
        {"id": "2", "system": "a", "labels": {"project": "x"}},
        {"id": "3", "system": "a", "code": "08", "duration_seconds": 100.0},
        {"id": "4", "system": "a", "final": "maybe", "duration_seconds": "x"},
    ]


@pytest.mark.parametrize(
    ("content", "lines", "message"),
    [
        ('[{"system": "a"}, 7,\n {"system": "b"}]', [1, 2], "1: an event must be a JSON object"),
        ('[{"system": "a"},\n {"system": 1,},\n{"system": "b"}]', [1, 3], "2: not JSON"),
        ('[{"system": "a", "system": "a"}, {"system": "b"}]', [1], "1: duplicate key 'system'"),
        ('{"system": "a"} x\n{"system": "b"}', [1, 2], "1: not JSON"),
        ('[{"system": "a"},\n{"system": "b"', [1], "2: not JSON"),
        ('[{"system": "a"},\n', [1], "2: the brackets [ ] of the file are not balanced"),
        (f'[{{"a": "{"s" * 2 * MAX_CHARACTERS}"}},\n{{"system": "b"}}]', [2], f"1: {TOO_LONG}"),
    ],
)
def test_json_skips_an_invalid_element(
    content: str, lines: list[int], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    sent, skipped = read(path)
    assert numbers(sent) == lines
    assert skipped[0].startswith(message)


def test_a_gzip_file_that_is_cut_short_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    row = '{"system": "a", "session_id": "%s"}\n'
    data = gzip.compress("".join(row % os.urandom(30).hex() for _ in range(4000)).encode())
    path.write_bytes(data[: len(data) // 2])
    sent, skipped = read(path)
    assert 0 < len(sent) < 4000
    assert "the rest cannot be read: Compressed file ended" in skipped[0]
    path.write_bytes(data[:-8] + b"\0" * 8)
    assert "the rest cannot be read: CRC check failed" in read(path)[1][0]
