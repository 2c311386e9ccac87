"""What people and programs see of `send`: wrong usage, exit codes, the summary, the bar."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConfigError
from exporter.names import INGEST_PATH
from exporter.send.options import Options
from exporter.send.report import Report

from .conftest import Sender
from .fake_exporter import FakeExporter, answers

ROW = '{"system": "softdrive", "session_id": "a"}\n'


@pytest.mark.parametrize("path", ["", "/", INGEST_PATH, f"{INGEST_PATH}/"])
def test_the_url_is_taken_with_and_without_its_path(
    path: str, server: FakeExporter, sender: Sender
) -> None:
    assert sender.lines(ROW, url=server.url + path).accepted == 1
    assert server.paths == [INGEST_PATH]


def test_the_url_may_have_a_prefix_and_no_port() -> None:
    endpoint = Options("https://h/ends/v1/session-ends").endpoint()
    assert endpoint.geturl() == "https://h/ends/v1/session-ends"
    assert Options("http://[::1]:1/ends").endpoint().geturl() == "http://[::1]:1/ends" + INGEST_PATH


@pytest.mark.parametrize(
    "url",
    [
        "localhost:10400",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://h:70000",
        "http://h?a=1",
        "http://h/#a",
        "http://h/ b",
        "http://h/\r\nX: y",
        "http://user:hunter2@h",
        "http://[::1",
        "",
    ],
)
def test_a_wrong_url_is_refused_with_the_rule(url: str) -> None:
    with pytest.raises(ConfigError, match="--url.*: must be http://HOST:PORT") as error:
        Options(url).endpoint()
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"url": "h"}, "--url = 'h': must be http://HOST:PORT"),
        ({"token_file": Path("/nowhere")}, "--token-file /nowhere: No such file"),
        ({"ca_file": Path("/nowhere"), "url": "https://h"}, "--ca-file /nowhere: No such file"),
    ],
)
def test_a_wrong_flag_is_named_and_nothing_is_sent(
    options: dict[str, Any], output: str, server: FakeExporter, sender: Sender
) -> None:
    report = sender.lines(ROW, **options)
    assert (report.exit_code, report.read, server.requests) == (2, 0, [])
    assert output in sender.output


@pytest.mark.parametrize(
    "content", [b"\n \n", b"# hunter2\n", b"hunter2\xc3\xa9", b"hunter2 b", b"hunter2\xff"]
)
def test_a_wrong_token_is_refused_and_not_shown(
    content: bytes, server: FakeExporter, sender: Sender
) -> None:
    report = sender.lines(ROW, token_file=sender.file("token", content))
    assert (report.exit_code, server.requests) == (2, [])
    assert "--token-file" in sender.output
    assert "hunter2" not in sender.output


def test_every_missing_file_is_named_before_anything_is_sent(
    server: FakeExporter, sender: Sender, tmp_path: Path
) -> None:
    report = sender(sender.file("a.ndjson", ROW), tmp_path / "no", tmp_path)
    assert (report.exit_code, server.requests) == (2, [])
    assert "/no: no such file" in sender.output
    assert f"{tmp_path}: is a directory" in sender.output


def test_the_exit_code_tells_all_some_or_not_delivered(
    server: FakeExporter, sender: Sender
) -> None:
    assert sender.lines(ROW).exit_code == 0
    assert sender.lines(ROW).exit_code == 0
    assert sender.lines(ROW + "x\n").exit_code == 1
    assert sender.lines('{"system": "nope"}').exit_code == 1
    server.faults += [answers(400)]
    assert sender.lines(ROW + "x\n").exit_code == 2


def test_the_summary_is_a_line(sender: Sender) -> None:
    sender.lines(ROW * 2 + "x\n")
    assert sender.output.splitlines()[-1] == (
        "3 read, 2 accepted, 0 duplicates, 0 rejected, 1 skipped, 0 retries, 0.0 seconds"
    )


@pytest.mark.parametrize("content", ["x\n", '{"system": "nope"}\n'])
def test_the_first_twenty_mistakes_are_printed_and_the_others_counted(
    content: str, sender: Sender
) -> None:
    report = sender.lines(content * 50)
    assert report.skipped + report.rejected == 50
    mistakes = [
        line for line in sender.output.splitlines() if "a.ndjson:" in line and "ed: " in line
    ]
    assert len(mistakes) == 20
    assert "… more than 20 of these; the others are only counted" in sender.output


def test_unknown_fields_are_named_once_an_input(sender: Sender) -> None:
    row = '{"system": "softdrive", "session_id": "a", "user": 1, "host": 2}\n'
    table = "system,host,id\nsoftdrive,2,3\nsoftdrive,2,4\n"
    sender(sender.file("a.ndjson", row * 3), sender.file("b.csv", table))
    assert sender.output.count("are ignored: host, user\n") == 1
    assert "b.csv: fields that events do not have are ignored: host\n" in sender.output


def test_quiet_prints_only_mistakes(sender: Sender) -> None:
    sender.lines('{"system": "softdrive", "user": 1}\nx\n', quiet=True)
    assert len(sender.output.splitlines()) == 1
    assert "a.ndjson:2: skipped: not JSON" in sender.output


def test_json_prints_an_object_to_standard_output(
    server: FakeExporter, sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults += [None, answers(400, {"title": "é"})]
    sender.lines(ROW * 2, batch=1, json=True)
    result = json.loads(capsys.readouterr().out)
    assert result.pop("error").startswith(f"400 from {server.url}{INGEST_PATH}: é\n1 events were")
    counts = {"read": 2, "accepted": 1, "duplicates": 0, "rejected": 0, "skipped": 0, "retries": 0}
    assert result == {**counts, "seconds": 0.0, "delivered": False}
    assert "read, " not in sender.output


def test_only_a_terminal_shows_the_bar(server: FakeExporter, sender: Sender) -> None:
    server.faults += [answers(503, Retry_After="0")]
    sender.lines(ROW * 3, terminal=True)
    assert "3 events" in sender.output
    assert "1 retries" in sender.output
    for options in ({}, {"terminal": True, "quiet": True}, {"terminal": True, "json": True}):
        sender.lines(ROW * 3, **options)
        assert "3 events" not in sender.output


def test_the_advice_names_the_window_of_a_safe_repeat() -> None:
    advice = Report(accepted=1).advice
    assert "within 24 h and up to 1,000,000 events, no event is counted twice" in advice
