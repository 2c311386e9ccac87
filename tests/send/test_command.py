"""What people and programs see of `send`: usage, exit codes, the summary, the bar."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from exporter.errors import ConfigError
from exporter.names import INGEST_PATH
from exporter.send import Options, Report, send
from exporter.send.options import Target
from exporter.send.sources import STDIN

from .conftest import Sender
from .fake_exporter import FakeExporter, answers

ROW = '{"system": "softdrive", "session_id": "a"}\n'


@pytest.mark.parametrize("path", ["", "/", INGEST_PATH, f"{INGEST_PATH}/"])
def test_the_url_is_taken_with_and_without_its_path(
    path: str, server: FakeExporter, sender: Sender
) -> None:
    assert sender(sender.file("a.ndjson", ROW), url=server.url + path).accepted == 1
    assert server.paths == [INGEST_PATH]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", Target("h", 80, INGEST_PATH, False)),
        ("https://h/ends", Target("h", 443, "/ends" + INGEST_PATH, True)),
        ("http://[::1]:1/ends/v1/session-ends", Target("::1", 1, "/ends" + INGEST_PATH, False)),
    ],
)
def test_the_url_may_have_a_prefix_and_no_port(url: str, target: Target) -> None:
    assert Target.parse(url) == target
    assert Target.parse(str(target)) == target


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
def test_a_url_that_can_not_work_is_wrong_usage(url: str, sender: Sender) -> None:
    report = sender(sender.file("a.ndjson", ROW), url=url)
    assert report.exit_code == 2
    assert "--url" in sender.said
    assert "hunter2" not in sender.said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "--batch = 0: at least 1"),
        ({"max_wait": -1.0}, "--max-wait = -1.0"),
        ({"max_wait": float("nan")}, "--max-wait = nan"),
        ({"timeout": 0.0}, "--timeout = 0.0"),
        ({"format": "xml"}, "--format = 'xml': one of json, ndjson, csv"),
        ({"token_file": Path("/nowhere")}, "--token-file /nowhere: No such file"),
        ({"ca_file": Path("/nowhere"), "url": "https://h"}, "--ca-file /nowhere: No such file"),
    ],
)
def test_a_flag_that_can_not_work_is_wrong_usage_and_sends_nothing(
    options: dict[str, object], said: str, server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", ROW), **options)
    assert (report.exit_code, report.read, server.requests) == (2, 0, [])
    assert said in sender.said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\n \n", "no token in it"),
        (b"# hunter2\n", "no token in it"),
        (b"hunter2\xc3\xa9", "a token is printable ASCII"),
        (b"hunter2 b", "a token is printable ASCII"),
        (b"hunter2\xff", "not text"),
    ],
)
def test_a_token_that_can_not_stand_in_a_header_is_wrong_usage(
    content: bytes, said: str, server: FakeExporter, sender: Sender
) -> None:
    report = sender(sender.file("a.ndjson", ROW), token_file=sender.file("token", content))
    assert (report.exit_code, server.requests) == (2, [])
    assert said in sender.said
    assert "hunter2" not in sender.said


def test_every_missing_file_is_named_before_anything_is_sent(
    server: FakeExporter, sender: Sender, tmp_path: Path
) -> None:
    report = sender(sender.file("a.ndjson", ROW), tmp_path / "no", tmp_path, STDIN, STDIN)
    assert (report.exit_code, server.requests) == (2, [])
    assert "/no: no such file" in sender.said
    assert "a directory" in sender.said
    assert "standard input can be read only once" in sender.said
    assert sender().exit_code == 2


def test_exit_codes_say_all_some_or_not_delivered(server: FakeExporter, sender: Sender) -> None:
    assert sender(sender.file("a.ndjson", ROW)).exit_code == 0
    assert sender(sender.file("a.ndjson", ROW)).exit_code == 0
    assert sender(sender.file("a.ndjson", ROW + "x\n")).exit_code == 1
    assert sender(sender.file("a.ndjson", '{"system": "nope"}')).exit_code == 1
    server.faults += [answers(400)]
    assert sender(sender.file("a.ndjson", ROW + "x\n")).exit_code == 2


def test_the_summary_is_one_line(server: FakeExporter, sender: Sender) -> None:
    sender(sender.file("a.ndjson", ROW * 2 + "x\n"))
    assert sender.said.splitlines()[-1] == (
        "3 read, 2 accepted, 0 duplicates, 0 rejected, 1 skipped, 0 retries, 0.0 seconds"
    )


def test_the_first_twenty_bad_lines_are_printed_and_the_others_counted(
    server: FakeExporter, sender: Sender
) -> None:
    assert sender(sender.file("a.ndjson", "x\n" * 50)).skipped == 50
    assert sender.said.count("skipped: not JSON") == 20
    assert "… and 30 more skipped" in sender.said


def test_unknown_fields_and_columns_are_warned_of_once(
    server: FakeExporter, sender: Sender
) -> None:
    row = '{"system": "softdrive", "session_id": "a", "user": 1, "host": 2}\n'
    sender(
        sender.file("a.ndjson", row * 3), sender.file("b.csv", "system,host,id\nsoftdrive,2,3\n")
    )
    assert sender.said.count("are ignored: host, user") == 1
    assert "b.csv: columns that are not fields of an event are ignored: host\n" in sender.said


def test_quiet_leaves_only_mistakes(server: FakeExporter, sender: Sender) -> None:
    sender(sender.file("a.ndjson", '{"system": "softdrive", "user": 1}\nx\n'), quiet=True)
    assert len(sender.said.splitlines()) == 1
    assert "a.ndjson:2: skipped: not JSON" in sender.said


def test_json_is_one_object_on_standard_output(
    server: FakeExporter, sender: Sender, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults += [None, answers(400, {"title": "é"})]
    sender(sender.file("a.ndjson", ROW * 2), batch=1, json=True)
    out = json.loads(capsys.readouterr().out)
    error = out.pop("error")
    assert out == {
        "read": 2,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "skipped": 0,
        "retries": 0,
        "seconds": 0.0,
        "delivered": False,
    }
    assert error.startswith("400: é\n1 events were acknowledged")
    assert "read, " not in sender.said


def test_a_terminal_shows_a_bar_and_nothing_else_does(server: FakeExporter, sender: Sender) -> None:
    def shown(terminal: bool, **options: bool) -> str:
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=100, color_system=None)
        path = sender.file("a.ndjson", ROW * 3)
        send([path], Options(server.url, **options), console)  # type: ignore[arg-type]
        return file.getvalue()

    server.faults += [answers(503, Retry_After="0")]
    assert "3 events" in (said := shown(True))
    assert "1 retries" in said
    assert "events" not in shown(False)
    assert "events" not in shown(True, quiet=True)
    assert "events" not in shown(True, json=True)


def test_the_advice_does_not_promise_more_than_the_window_holds() -> None:
    assert "again within 24 h is safe" in Report(accepted=1_000_000).advice
    assert "send the rest only" in Report(accepted=1_000_001).advice


def test_target_mistakes_are_config_errors() -> None:
    with pytest.raises(ConfigError, match="--url"):
        Target.parse("nonsense")
