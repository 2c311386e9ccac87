"""Tables as spreadsheets and pandas save them, compressed files, and files that are no text."""

import gzip

import pytest

from .conftest import Read

EVENT = {"system": "streampixel", "code": "4001", "session_id": "Zürich", "duration_seconds": 12.5}
EXCEL = "sep=;\r\nsystem;code;session_id;duration_seconds\r\nstreampixel;4001;Zürich;12,5\r\n"
PLAIN = "system,code,session_id,duration_seconds\nstreampixel,4001,Zürich,12.5\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        EXCEL.encode("utf-8-sig"),
        EXCEL.encode("utf-16"),
        b"\xfe\xff" + EXCEL.encode("utf-16-be"),
        EXCEL.replace(";", "\t").encode("utf-16"),
        EXCEL.replace("sep=;", '"sep=;"').encode(),
        EXCEL.replace(";", "|").encode(),
        EXCEL.replace("\r\n", "\r").encode(),
        PLAIN.replace(",", " , ").replace("\n", " \n").encode(),
        '"system", "code", "session_id", "duration_seconds"\n'
        '"streampixel", "4001", "Zürich", "12.5"\n'.encode(),
        PLAIN.replace("\n", ",,\n").encode(),
        PLAIN.replace("12.5\n", "12.5,, \n").encode(),
        b"\r\n" + EXCEL.encode() + b";;;;\r\n",
    ],
)
def test_table_of_a_spreadsheet_is_read(content: bytes, read: Read) -> None:
    sent = read(content, "table")
    assert sent.skipped == []
    assert [{**body, "id": 0} for body in sent.bodies] == [{**EVENT, "id": 0}]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (",system,code,duration_seconds\n0,a,4001.0,12.5\n1,a,,7.0\n", "4001.0"),
        ("system;code;duration_seconds\na;4001,0;12,5\na;;7,0\n", "4001,0"),
    ],
)
def test_files_of_pandas_are_read(content: str, code: str, read: Read) -> None:
    """pandas makes a column of integers with a gap a column of floats; the exporter accepts such codes."""
    sent = read(content, "a.csv")
    assert sent.skipped == []
    assert [body.get("code") for body in sent.bodies] == [code, None]
    assert [body["duration_seconds"] for body in sent.bodies] == [12.5, 7.0]


@pytest.mark.parametrize("null", ["NULL", "null", "\\N", "NaN", "nan"])
def test_missing_value_of_a_database_is_an_empty_cell(null: str, read: Read) -> None:
    """As text, it made normal ends failures with an unknown code. A row without any value is not lost."""
    columns = "system,code,id,occurred_at,duration_seconds,phase,final,labels.region"
    sent = read("\n".join([columns, f"a{f',{null}' * 7}", f"{null}{f',{null}' * 7}"]), "a.csv")
    assert [{**body, "id": 0} for body in sent.bodies] == [{"system": "a", "id": 0}, {"id": 0}]


def test_cells_under_no_column_are_not_lost(read: Read) -> None:
    sent = read("system,code,,\na,1,,\na,1,x,\na\n", "a.csv")
    rule = "cells, but the header has 2"
    assert (sent.lines, sent.skipped) == ([2], [f"3: 3 {rule}", f"4: 1 {rule}"])


def test_decimal_comma_between_commas_stays_text(read: Read) -> None:
    """1,234 may be a thousand; the exporter refuses the text."""
    sent = read('system,code,duration_seconds\na,1,"1,234"\n', "a.csv")
    assert sent.bodies[0]["duration_seconds"] == "1,234"


def test_half_a_character_of_utf_16_costs_its_row_only(read: Read) -> None:
    sent = read("system,code\na,\ud800\na,1\n".encode("utf-16", "surrogatepass"), "a.csv")
    assert (sent.lines, sent.skipped) == ([3], ["2: a string contains a lone surrogate"])


def test_compressed_file_is_read(read: Read) -> None:
    sent = read(gzip.compress(PLAIN.encode()), "a.csv.gz")
    assert (sent.lines, sent.skipped) == ([2], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04xl/workbook.xml", "a zip or a spreadsheet (xlsx, ods): unpack it, or save it"),
        (b"BZh91AY&SY", "bzip2: unpack it, bzip2 -dc FILE | session-end-exporter send -"),
        (b"\xfd7zXZ\0", "xz: unpack it, xz -dc FILE | session-end-exporter send -"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls): save it as CSV UTF-8"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd: unpack it, zstd -dc FILE | session-end-exporter send -"),
        (b"PAR1\x15\x04", "Parquet: export it as CSV or NDJSON"),
        (PLAIN.encode("utf-16-le"), "the header has no column `system`"),
        (EXCEL.encode("utf-16")[:-1], "cannot be read: "),
        (gzip.compress(PLAIN.encode())[:-8], "cannot be read: Compressed file ended"),
        (gzip.compress(b"")[:10] + b"\xff" * 20, "cannot be read: Error -3 while decompressing"),
        (
            gzip.compress(PLAIN.encode())[:-8] + bytes(8),
            "cannot be read: CRC check failed",
        ),
    ],
    # Compressed content contains the time.
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_file_that_is_no_text_is_named_with_the_remedy(
    content: bytes, message: str, read: Read
) -> None:
    sent = read(content, "a.csv")
    assert message in sent.skipped[-1]
    assert len(sent.events) == ("Compressed file ended" in message or "CRC" in message)
