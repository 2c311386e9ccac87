"""The output of `send` for people and programs: wrong usage, exit codes, the summary, the progress bar."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.names import INGEST_PATH
from exporter.send.connection import Warnings
from exporter.send.options import Options
from exporter.send.report import Report
from tests.faulty_server import answers

from .conftest import Sender

ROW = '{"system": "softdrive", "session_id": "a"}\n'


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://h:1", f"http://h:1{INGEST_PATH}"),
        (f"https://h/ends{INGEST_PATH}/", f"https://h/ends{INGEST_PATH}"),
        ("http://[::1]:1/ends/", f"http://[::1]:1/ends{INGEST_PATH}"),
    ],
)
def test_url_is_taken_with_and_without_its_path(url: str, endpoint: str) -> None:
    assert Options(url).endpoint().geturl() == endpoint


@pytest.mark.parametrize(
    ("option", "value", "output"),
    [
        ("url", "h:10400", "--url = 'h:10400': must be http://HOST:PORT"),
        ("url", "http://h:70000", "--url = 'http://h:70000': must be http://HOST:PORT"),
        ("url", "http://h?a", "--url = 'http://h?a': must be http://HOST:PORT"),
        ("url", "http://h/\r\n", "--url = 'http://h/\\r\\n': must be http://HOST:PORT"),
        ("url", "http://u:hunter2@h", "--url: must be http://HOST:PORT"),
        ("token_file", b"\n# hunter2\n", "/token: its first line must be a token, one word"),
        ("token_file", b"hunter2 b", "/token: its first line must be a token, one word"),
        ("token_file", b"hunter2\xff", "/token: not UTF-8 text"),
        ("token_file", Path("/nowhere"), "--token-file /nowhere: No such file"),
        ("ca_file", Path("/nowhere"), "--ca-file /nowhere: No such file"),
        ("columns", ["cod=x"], "--column cod=x: must be FIELD=COLUMN"),
    ],
)
def test_wrong_option_is_named_and_nothing_is_sent(
    option: str, value: Any, output: str, sender: Sender
) -> None:
    value = sender.file("token", value) if isinstance(value, bytes) else value
    url = "https://h" if option == "ca_file" else sender.url
    report = sender.lines(ROW, **{"url": url, option: value})
    assert (report.exit_code, report.read, sender.requests) == (2, 0, [])
    assert output in sender.output
    assert "hunter2" not in sender.output


def test_missing_input_is_named_and_the_others_are_sent(sender: Sender, tmp_path: Path) -> None:
    report = sender(tmp_path / "no", tmp_path, sender.file("a.ndjson", ROW))
    assert (report.exit_code, report.accepted, report.skipped) == (1, 1, 2)
    assert "/no:1: skipped: cannot be read: No such file or directory" in sender.output
    assert f"{tmp_path}:1: skipped: cannot be read: Is a directory" in sender.output


def test_input_with_a_read_error_is_named_with_the_reason(sender: Sender) -> None:
    report = sender(Path("/proc/self/mem"))
    assert (report.skipped, report.exit_code) == (1, 1)
    assert "/mem:1: skipped: cannot be read: Input/output error\n" in sender.output


@pytest.mark.parametrize("content", ["x\n", '{"system": "nope"}\n'])
def test_first_twenty_mistakes_are_printed_and_the_others_counted(
    content: str, sender: Sender
) -> None:
    report = sender.lines(content * 50)
    assert report.skipped + report.rejected == 50
    assert sender.output.count(f"{sender.path}:") - ("without id" in sender.output) == 20
    assert "… more than 20 of these; the others are only counted" in sender.output


def test_quiet_prints_only_mistakes(sender: Sender) -> None:
    content = '{"system": "softdrive", "shop": 1, "host": 2}\n' * 2 + "x\n"
    sender.lines(content)
    assert "ignored, as events have no such field: shop, host\n" in sender.output
    assert sender.output.count("ignored, as") == 1
    assert sender.output.splitlines()[-1] == (
        "3 read, 2 accepted, 0 duplicates, 0 rejected, 1 skipped, 0 retries, 0.0 seconds"
    )
    sender.lines(content, quiet=True)
    assert sender.output == f"{sender.path}:3: skipped: not JSON: Expecting value at character 1\n"


def test_json_prints_an_object_to_standard_output(
    sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    sender.faults += [None, answers(400, {"title": "é"})]
    sender.lines(ROW * 2, batch=1, json=True)
    result = json.loads(capsys.readouterr().out)
    assert result.pop("error").startswith(f"400 from {sender.url}{INGEST_PATH}: é\n1 events were")
    counts = {"read": 2, "accepted": 1, "duplicates": 0, "rejected": 0, "skipped": 0, "retries": 0}
    kinds = ("unknown_codes", "ignored_fields", "late")
    nothing: dict[str, Any] = {kind: {} for kind in kinds}
    assert result == {**counts, "seconds": 0.0, "delivered": False, "warnings": nothing}
    assert "read, " not in sender.output


def test_warnings_of_answers_and_files_are_summed_up(
    sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    """Warnings of answers, of keys that are near `code`, and of an exporter that sends no warnings."""
    given: list[dict[str, Any]] = [
        {"unknown_codes": {"4009": 3, "x\u200b": 1}, "ignored_fields": {"eror": None}},
        {"unknown_codes": {"4009": 2}, "late": {"events": 400, "oldest": "2026-10-20T19:00:00Z"}},
        {"late": {"events": 1200, "oldest": "2026-11-20T19:00:00Z"}},
        {"unknown_codes": "of another version"},
    ]
    sender.faults += [
        answers(200, {"accepted": 1, "duplicates": 0, "warnings": warnings}) for warnings in given
    ]
    rows = '{"system": "softdrive", "error_code": 8}\n{"system": "a", "errorCode": 0}\n' + ROW
    report = sender.lines(rows + ROW, batch=1, json=True)
    assert report.exit_code == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == {
        "unknown_codes": {"4009": 5, "x\u200b": 1},
        "ignored_fields": {"eror": None, "error_code": "code", "errorCode": "code"},
        "late": {"events": 1600, "oldest": "2026-10-20T19:00:00Z"},
    }
    assert sender.output.splitlines()[-2] == "ignored, but near `code`: error_code, errorCode"
    assert ", 1,600 late (oldest 2026-10-20T19:00:00Z), 0.0 seconds" in report.summary()
    assert "codes that the taxonomy does not have: '4009' 5×, 'x\\u200b' 1×\n" in sender.output


def test_unknown_codes_are_remembered_up_to_a_bound() -> None:
    report = Report()
    for number in range(3000):
        report.warn(Warnings({str(number): 2}))
    assert len(report.unknown_codes) == 1001
    assert report.unknown_codes["(others)"] == 2 * 2000


def test_only_a_terminal_shows_the_bar(sender: Sender) -> None:
    sender.faults += [answers(503)]
    sender.lines(ROW * 3, terminal=True)
    assert "3 events" in sender.output
    assert "1 retries" in sender.output
    for options in ({}, {"terminal": True, "quiet": True}, {"terminal": True, "json": True}):
        sender.lines(ROW * 3, **options)
        assert "3 events" not in sender.output
