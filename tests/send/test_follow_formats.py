"""The format of a followed file, and the header of a table: kept for the files after it."""

import os
from pathlib import Path

import pytest

from .conftest import Sender
from .following import Follower, lines, nothing

HEADER = b"system;Dur\xe9e;Code\n"
"""A header with a byte that is not UTF-8."""


def test_csv_is_followed_with_the_header_of_each_file(follower: Follower) -> None:
    follower.path.write_text("system;Code\nsoftdrive;1\n")
    columns = {"format": "csv"}
    assert follower.run((nothing, ["1"]), **columns) == ["1"]
    sent = follower.run(
        follower.write("softdrive;2\n", 2),
        (follower.rename, ["2"]),
        follower.write("sep=,\n", 2),
        follower.write("code,shop,system\n3,x,softdrive\n", 2, 3),
        **columns,
    )
    assert sent == ["2", "3"]
    assert follower.notes[-1].endswith("ignored, as events have no such field: shop")
    assert follower.run(follower.write("4,x,softdrive\n", 4), **columns) == ["4"]


@pytest.mark.parametrize("first", [HEADER, b"", b"drive;7\n"])
def test_truncated_table_needs_no_header(first: bytes, follower: Follower) -> None:
    """The writer may write the header only when it starts. The first line may be the rest of a row."""
    follower.path.write_bytes(HEADER + b"softdrive;x;1\n")

    def truncate(code: int) -> None:
        follower.copy_and_truncate()
        with follower.path.open("ab") as file:
            file.write(first + b"softdrive;x;%d\n" % code)

    assert follower.run((nothing, ["1"]), (lambda: truncate(2), ["1", "2"])) == ["1", "2"]
    truncate(3)
    more = follower.write("softdrive;x;4\n", 3, 4)
    assert follower.run(more) == ["3", "4"]
    assert follower.run(follower.write("softdrive;x;5\n", 5)) == ["5"]
    assert len(follower.counted) == 5


def test_file_of_blank_lines_keeps_the_header_of_the_file_before(follower: Follower) -> None:
    follower.path.write_text("system;code\nsoftdrive;1\n")
    follower.run((nothing, ["1"]))
    for number, text in ((2, "\n"), (1, "softdrive;3\n")):
        follower.rename(f"ends.log.{number}")
        follower.path.write_text(text)
        os.utime(follower.path, (2e9 - number, 2e9 - number))
    assert follower.run((nothing, ["3"])) == ["3"]


@pytest.mark.parametrize("first", ["4001}\n", "Restarted at noon, code 7\n"])
def test_truncated_log_of_objects_may_begin_with_something_else(
    first: str, follower: Follower
) -> None:
    follower.path.write_text(lines(1))

    def truncate(code: int) -> None:
        follower.copy_and_truncate()
        follower.path.write_text(first + lines(code))

    assert follower.run((nothing, ["1"]), (lambda: truncate(2), ["1", "2"])) == ["1", "2"]
    truncate(3)
    assert follower.run((nothing, ["3"])) == ["3"]


@pytest.mark.parametrize("name", ["ends.ndjson", "ends.JSONL"])
def test_name_of_a_file_decides_its_format(name: str, tmp_path: Path) -> None:
    follower = Follower(tmp_path / name)
    follower.path.write_text("Started\n" + lines(1))
    assert follower.run((nothing, ["1"])) == ["1"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("x" * 200_000 + "\n", "the rest cannot be read: "),
        ("system,code\rsoftdrive,1\r\n", "the rest cannot be read: "),
        (
            "system,error_code\nsoftdrive,1\n",
            "the header has no column `code`; `error_code` is near",
        ),
    ],
)
def test_line_that_is_no_header_ends_the_command(
    header: str, message: str, follower: Follower, sender: Sender
) -> None:
    follower.path.write_text(header)
    report = sender(follower.path, follow=True)
    assert (report.exit_code, sender.requests) == (1, [])
    assert f"ends.log:1: skipped: {message}" in sender.output
