"""What people and programs see of `send`: wrong usage, exit codes, the summary, the bar."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.names import INGEST_PATH
from exporter.send.options import Options

from .conftest import Sender
from .fake_exporter import responds

ROW = '{"system": "softdrive", "session_id": "a"}\n'


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://h:1", f"http://h:1{INGEST_PATH}"),
        (f"https://h/ends{INGEST_PATH}/", f"https://h/ends{INGEST_PATH}"),
        ("http://[::1]:1/ends/", f"http://[::1]:1/ends{INGEST_PATH}"),
    ],
)
def test_the_url_is_taken_with_and_without_its_path(url: str, endpoint: str) -> None:
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
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_sent(
    option: str, value: Any, output: str, sender: Sender
) -> None:
    value = sender.file("token", value) if isinstance(value, bytes) else value
    url = "https://h" if option == "ca_file" else sender.url
    report = sender.lines(ROW, **{"url": url, option: value})
    assert (report.exit_code, report.read, sender.requests) == (2, 0, [])
    assert output in sender.output
    assert "hunter2" not in sender.output


def test_every_missing_input_is_named_and_nothing_is_sent(sender: Sender, tmp_path: Path) -> None:
    report = sender(sender.file("a.ndjson", ROW), tmp_path / "no", tmp_path)
    assert (report.exit_code, sender.requests) == (2, [])
    assert "/no: no such file" in sender.output
    assert f"{tmp_path}: is a directory" in sender.output


def test_the_exit_code_tells_all_some_or_not_delivered(sender: Sender) -> None:
    assert [sender.lines(ROW).exit_code for _ in range(2)] == [0, 0]
    assert sender.lines(ROW + "x\n").exit_code == 1
    assert sender.lines('{"system": "nope"}').exit_code == 1
    sender.faults += [responds(400)]
    assert sender.lines(ROW + "x\n").exit_code == 2


@pytest.mark.parametrize("content", ["x\n", '{"system": "nope"}\n'])
def test_the_first_twenty_mistakes_are_printed_and_the_others_counted(
    content: str, sender: Sender
) -> None:
    report = sender.lines(content * 50)
    assert report.skipped + report.rejected == 50
    assert sender.output.count(f"{sender.path}:") - ("without id" in sender.output) == 20
    assert "… more than 20 of these; the others are only counted" in sender.output


def test_quiet_prints_only_mistakes(sender: Sender) -> None:
    content = '{"system": "softdrive", "user": 1, "host": 2}\n' * 2 + "x\n"
    sender.lines(content)
    assert sender.output.count("fields that events do not have are ignored: host, user\n") == 1
    assert sender.output.splitlines()[-1] == (
        "3 read, 2 accepted, 0 duplicates, 0 rejected, 1 skipped, 0 retries, 0.0 seconds"
    )
    sender.lines(content, quiet=True)
    assert sender.output == f"{sender.path}:3: skipped: not JSON: Expecting value at character 1\n"


def test_json_prints_an_object_to_standard_output(
    sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    sender.faults += [None, responds(400, {"title": "é"})]
    sender.lines(ROW * 2, batch=1, json=True)
    result = json.loads(capsys.readouterr().out)
    assert result.pop("error").startswith(f"400 from {sender.url}{INGEST_PATH}: é\n1 events were")
    counts = {"read": 2, "accepted": 1, "duplicates": 0, "rejected": 0, "skipped": 0, "retries": 0}
    assert result == {**counts, "seconds": 0.0, "delivered": False}
    assert "read, " not in sender.output


def test_only_a_terminal_shows_the_bar(sender: Sender) -> None:
    sender.faults += [responds(503)]
    sender.lines(ROW * 3, terminal=True)
    assert "3 events" in sender.output
    assert "1 retries" in sender.output
    for options in ({}, {"terminal": True, "quiet": True}, {"terminal": True, "json": True}):
        sender.lines(ROW * 3, **options)
        assert "3 events" not in sender.output
