"""Records of every format: invalid records are skipped with their line and rule, the others are sent."""

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
        ('{"system": "s", "system": "s"}', "duplicate key 'system'"),
        ('{"system": "s", "labels": {"a": "", "a": ""}}', "duplicate key 'a'"),
        ('{"system": "s", "duration_seconds": NaN}', "not JSON: NaN"),
        (f'{{"system": "s", "code": 1{"0" * 5000}}}', "a number has too many digits"),
        ('{"system": "\\ud800"}', "a string is not UTF-8, or has half a surrogate pair"),
        ('{"system": "s", "id": "\udcff"}', "a string is not UTF-8, or has half a surrogate pair"),
        (f'{{"system": {"[" * 100_000}', "nested too deeply"),
    ],
)
def test_ndjson_skips_an_invalid_line_with_its_rule(
    line: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.ndjson"
    text = f'{{"system": "softdrive"}}\n{line}\n{{"system": "softdrive", "code": 1}}\n'
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert skipped == [f"2: {message}"]
    assert numbers(sent) == [1, 3]


def test_ndjson_skips_a_line_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text(f'{{"system": "{"s" * 2 * MAX_CHARACTERS}"}}\n{{"system": "a"}}\n')
    sent, skipped = read(path)
    assert (numbers(sent), skipped) == ([2], [f"1: {TOO_LONG}"])


def test_nesting_of_any_depth_does_not_end_the_reading(tmp_path: Path) -> None:
    """There are depths that json can parse and then cannot write."""
    path = tmp_path / "a.ndjson"
    depths = range(1, 1100)
    path.write_text("".join(f'{{"system": {"[" * n}{"]" * n}}}\n' for n in depths))
    assert numbers(read(path)[0])[0] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("softdrive,01", "2 cells, but the header has 3"),
        ("softdrive,01,,,", "5 cells, but the header has 3"),
        ('softdrive,"01"x,', "not CSV: ',' expected after '\"'"),
        ("softdrive,\udcff,", "a string is not UTF-8, or has half a surrogate pair"),
        (f"softdrive,{'0' * 200_000},", "not CSV: field larger than field limit (131072)"),
        (f"softdrive,{'0' * 2_000_000},", "not CSV: field larger than field limit (131072)"),
    ],
)
def test_csv_skips_an_invalid_row_with_its_rule(row: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = f'system,code,session_id\nsoftdrive,,"a\nb"\n,,\n{row}\n\nsoftdrive,,c\n'
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    sent, skipped = read(path)
    assert skipped == [f"5: {message}"]
    assert numbers(sent) == [2, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('system,id\nsoftdrive,"a\nsoftdrive,b\n', "2: not CSV: unexpected end of data"),
        ("a,b\nc,d\n", "1: the header row has no column `system`: no row is read"),
        ("system,code,code\na,b,c\n", "1: the header row has 'code' twice"),
        ("system,label_a,labels.a\na,b,c\n", "1: the header row has 'labels.a' twice"),
    ],
)
def test_csv_without_a_usable_row_says_why(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert read(path) == ([], [message])


def test_csv_cells_become_values_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "system,code,final,duration_seconds,labels.region,label_project\n"
        "softdrive,01,NO,12.5,eu,\n"
        "softdrive,,1,,,x\n"
        "softdrive,08,yes,1e2,,\n"
        "softdrive,08,maybe,x,,\n"
    )
    sent, skipped = read(path)
    assert skipped == []
    bodies = [json.loads(event.body) for event in sent]
    for body in bodies:
        del body["id"]
    first = {"code": "01", "final": False, "duration_seconds": 12.5, "labels": {"region": "eu"}}
    assert bodies == [
        {"system": "softdrive", **first},
        {"system": "softdrive", "labels": {"project": "x"}},
        {"system": "softdrive", "code": "08", "duration_seconds": 100.0},
        {"system": "softdrive", "code": "08", "final": "maybe", "duration_seconds": "x"},
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
        ('{"system": "a"}\n]', [1], "2: the brackets [ ] of the file are not balanced"),
        (f'[{{"a": "{"s" * 2 * MAX_CHARACTERS}"}},\n{{"system": "b"}}]', [2], f"1: {TOO_LONG}"),
    ],
)
def test_json_skips_an_invalid_element_with_its_rule(
    content: str, lines: list[int], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    sent, skipped = read(path)
    assert "".join(skipped[:1]).startswith(message)
    assert numbers(sent) == lines


def test_a_gzip_file_that_is_cut_short_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    row = '{"system": "a", "session_id": "%s"}\n'
    data = gzip.compress("".join(row % os.urandom(30).hex() for _ in range(4000)).encode())
    path.write_bytes(data[: len(data) // 2])
    sent, skipped = read(path)
    assert 0 < len(sent) < 4000
    assert "the rest cannot be read: Compressed file ended" in "".join(skipped)


def test_a_damaged_gzip_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"system": "a"}\n')[:-8] + b"\0" * 8)
    assert "the rest cannot be read: CRC check failed" in read(path)[1][0]
    path.write_bytes(b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 40)
    assert "the rest cannot be read" in read(path)[1][0]


def test_utf_16_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("system\na\n".encode("utf-16"))
    assert read(path) == ([], ["1: the file is UTF-16: save it as UTF-8"])
