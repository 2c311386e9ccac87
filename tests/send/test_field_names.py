"""Columns and keys: spelled like a field, mapped by --column, ignored, or refused."""

import json

import pytest

from exporter.errors import ConfigError, Rejected
from exporter.event_fields import field_named, nearest_field
from exporter.send.field_names import FieldNames, parse_columns
from exporter.send.sources import STDIN

from .conftest import Read, Sender, piped

CODE_COLUMN = "--column code=COLUMN, or --column code= if every row is a normal end: no row is read"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("code", "--column code: must be FIELD=COLUMN, where FIELD is one of system, code, "),
        ("cod=a b", "--column 'cod=a b': must be FIELD=COLUMN"),
        ("code=x", "--column code=x: is the second for this name"),
        ("id=error", "--column id=error: is the second for this name"),
    ],
)
def test_wrong_mapping_is_refused(option: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_columns(["code=error", option])
    assert str(error.value).startswith(message)
    assert parse_columns(["code=", "id="]) == {"code": "", "id": ""}


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        (
            "system,error_code",
            [],
            f"the header has no column `code`; its columns are system, error_code: {CODE_COLUMN}",
        ),
        (
            "system,Code,code",
            [],
            "the header has 2 columns for `code`: Code, code; name one of them: "
            "--column code=COLUMN, or rename one",
        ),
        (
            "system,error_code",
            ["code=eror"],
            "the header has no column `eror`; its columns are system, error_code: no row is read",
        ),
    ],
)
def test_csv_without_a_clear_code_column_is_refused(
    header: str, columns: list[str], message: str, sender: Sender
) -> None:
    """With a misspelled column, each failure in the file would be counted as a success."""
    report = sender(sender.file("a.csv", f"{header}\n{header}\n"), columns=columns)
    assert (report.exit_code, report.skipped, sender.requests) == (1, 1, [])
    assert message in sender.output


@pytest.mark.parametrize(
    ("columns", "event"),
    [
        ("code=error_code", {"system": "a", "code": "08", "id": "4"}),
        ("code=Error Code", {"system": "a", "code": "08", "id": "4"}),
        ("code= ", {"system": "a", "id": "4"}),
        ("id=", {"system": "a", "code": "x"}),
        (
            " labels.shop = error_code ",
            {"system": "a", "code": "x", "id": "4", "labels": {"shop": "08"}},
        ),
        ("system=error_code", {"system": "08", "code": "x", "id": "4"}),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_column_option_decides_which_column_or_key_is_a_field(
    columns: str, event: dict[str, object], suffix: str, read: Read
) -> None:
    record = {"system": "a", "Code": "x", "error_code": "08", "id": "4"}
    rows = [",".join(record), ",".join(record.values())]
    content = "\n".join(rows) if suffix == "csv" else json.dumps(record)
    sent = read(content, f"a.{suffix}", columns=parse_columns([columns]))
    assert sent.skipped == []
    [made] = sent.bodies
    assert {**made, "id": event.get("id")} == {"id": None, **event}


def test_column_option_prefers_the_exactly_equal_name(read: Read) -> None:
    both = {"system": "a", "error_code": 2, "Error_Code": 1}
    content = json.dumps(both) + '\n{"system": "a", "error_code": 2, "errorcode": 3}\n'
    sent = read(content, columns={"code": "Error_Code"})
    assert [body["code"] for body in sent.bodies] == ["1"]
    assert sent.skipped == ["2: two keys mean `code`: 'errorcode' is the second"]


@pytest.mark.parametrize(
    ("record", "column"),
    [({"error_code": 4001}, "eror"), ({"code": 4001}, "error_code"), ({}, "error_code")],
)
def test_column_option_for_a_key_that_no_record_has_is_an_error(
    record: dict[str, object], column: str, sender: Sender
) -> None:
    """With a misspelled key of the code, each failure would be counted as a success."""
    content = json.dumps({"system": "softdrive", **record}) + "\n"
    report = sender.lines(content * 600, columns=[f"code={column}"])
    assert (report.exit_code, sender.requests) == (2, [])
    message = f"--column code={column}: no record has this key"
    assert f"a.ndjson: {message}: no event is sent. If all ends" in sender.output
    late = content * 600 + json.dumps({"system": "softdrive", column: 4001})
    assert sender.lines(late, columns=[f"code={column}"]).accepted == 601
    with piped((content * 2).encode()):
        report = sender(STDIN, columns=[f"code={column}"])
    assert (report.exit_code, f"<stdin>:3: skipped: {message}" in sender.output) == (1, True)
    for name, empty in (("a.ndjson", "\n"), ("a.csv", f"system,{column}\n")):
        assert sender(sender.file(name, empty), columns=[f"code={column}"]).exit_code == 0


def test_ignored_names_are_remembered_up_to_a_bound() -> None:
    names = FieldNames()
    names.record({"x" * 1_000_000: 1})
    assert not names.ignored
    for number in range(3000):
        names.record({f"name {number}": 1, f"error_code_{number}": 1})
    assert len(names.ignored) == 1000
    with pytest.raises(Rejected) as error:
        names.header(["x" * 1000])
    assert len(error.value.message) < 1000


def test_column_without_a_name_is_not_among_the_ignored_names() -> None:
    """pandas writes the index in such a column."""
    names = FieldNames()
    assert names.header(["", "system", "code"]) == ["", "system", "code"]
    assert not names.ignored


def test_column_labels_beside_a_label_is_replaced(read: Read) -> None:
    """Fails when the label is added to the text of the cell: Python raised an error."""
    sent = read("system,code,labels,labels.region\nstreampixel,4001,x,eu\n", "a.csv")
    assert sent.skipped == []
    assert sent.bodies[0]["labels"] == {"region": "eu"}
    record = {"system": "a", "labels": {"shop": "b"}, "Region": "eu"}
    sent = read(json.dumps(record), columns={"labels.region": "Region"})
    assert sent.bodies[0]["labels"] == {"region": "eu", "shop": "b"}


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("code", ["code", "Code", " CODE ", "\tcode\u2003"]),
        ("session_id", ["sessionId", "Session ID"]),
        ("occurred_at", ["occurred-at"]),
        ("duration_seconds", ["DurationSeconds"]),
        (None, ["code" + " " * 61, "codes", "error_code", ""]),
    ],
)
def test_field_named_ignores_case_and_punctuation(field: str | None, names: list[str]) -> None:
    assert {name: field_named(name) for name in names} == dict.fromkeys(names, field)


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("code", ["errorCode", "error_code", "codes", "closecode", "Exit-code"]),
        ("occurred_at", ["ocurred_at"]),
        ("user", ["user_id", "userId", "UID"]),
        (None, ["user_agent", "comment", "postcode", "unicode", "code " * 13]),
    ],
)
def test_nearest_field_is_probably_meant(field: str | None, names: list[str]) -> None:
    assert {name: nearest_field(name) for name in names} == dict.fromkeys(names, field)
