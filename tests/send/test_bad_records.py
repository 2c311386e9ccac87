"""Bad records are told apart, and damaged files read as far as they go."""

import gzip
import os
from pathlib import Path

import pytest

from exporter.send.lines import LONGEST
from tests.send.reading import read


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
