"""`send` as a process: with an exporter, without one, and killed half-way."""

import re
import subprocess
from pathlib import Path

from tests.commands.running import arguments, environment, events, run, summary, url, write
from tests.e2e.exporter_process import ExporterProcess, wait_for

ROWS = 15_000


def test_send_posts_all_formats_and_repeats_are_duplicates(
    tmp_path: Path, running: ExporterProcess
) -> None:
    lines = write(tmp_path / "a.ndjson", events(700))
    rows = "".join(f"softdrive,08,s-{number}\n" for number in range(50))
    table = write(tmp_path / "b.csv", f"system,code,session_id\n{rows}")
    for accepted in (760, 0):
        done = run(
            *("send", lines, table, "-", "--url", url(running), "--json"), stdin=events(10, 900)
        )
        assert done.returncode == 0, done.stderr
        sent = summary(done)
        assert (sent["read"], sent["accepted"], sent["duplicates"]) == (
            760,
            accepted,
            760 - accepted,
        )
        assert running.total("session_ends_total", system="streampixel") == 710
        assert running.total("session_ends_total", system="softdrive", code="08") == 50
    plain = run("send", lines, "--url", url(running))
    assert re.match(r"700 read, 0 accepted, 700 duplicates, .* seconds\n$", plain.stdout)


def test_send_counts_no_failure_as_a_success_in_silence(
    tmp_path: Path, running: ExporterProcess
) -> None:
    def counted(code: str) -> float:
        return running.total("session_ends_total", system="streampixel", code=code)

    mixed = write(tmp_path / "a.csv", "system,Session ID,Code\nstreampixel,s-1,4001\n")
    assert run("send", mixed, "--url", url(running)).returncode == 0
    assert (counted("4001"), counted("1000")) == (1, 0)
    other = write(tmp_path / "b.csv", "system,session_id,error_code\nstreampixel,s-2,4001\n")
    refused = run("send", other, "--url", url(running))
    assert refused.returncode == 1
    assert "--column code=error_code" in refused.stdout
    assert (counted("4001"), counted("1000")) == (1, 0)
    mapped = run("send", other, "--url", url(running), "--column", "code=error_code")
    assert mapped.returncode == 0
    assert (counted("4001"), counted("1000")) == (2, 0)
    keys = write(tmp_path / "c.ndjson", '{"system": "streampixel", "errorCode": 4001}\n')
    doubtful = run("send", keys, "--url", url(running), "--json")
    assert (doubtful.returncode, counted("1000")) == (0, 1)
    assert summary(doubtful)["warnings"] == {
        "unknown_codes": {},
        "ignored_fields": {"errorCode": "code"},
        "without_code": {"errorCode": 1},
    }


def test_send_exits_with_1_when_rejected_and_2_without_an_exporter(
    tmp_path: Path, running: ExporterProcess
) -> None:
    mixed = write(tmp_path / "a.ndjson", events(1) + '{"system":"nowhere"}\nno json\n')
    done = run("send", mixed, "--url", url(running))
    assert done.returncode == 1
    assert f"{mixed}" in done.stdout
    assert "1 accepted" in done.stdout
    running.stop()
    away = run("send", mixed, "--url", url(running), "--max-wait", 0.2)
    assert away.returncode == 2
    assert "Traceback" not in away.stderr
    assert run("send", tmp_path / "none.csv").returncode == 2


def test_send_prints_field_and_rule_of_each_rejected_event(
    tmp_path: Path, running: ExporterProcess
) -> None:
    """The exporter validates values, in every format; a single invalid value costs no other event."""
    rules = {
        '"code": 1.5': "code: must be a string or an integer, not a number",
        '"final": "false"': "final: must be true or false, not a string",
        '"session_id": 7': "session_id: must be a string, not a number",
        '"labels": ["a"]': "labels: must be an object, not an array",
        '"duration_seconds": true': "duration_seconds: must be a number, not a boolean",
        '"duration_seconds": -1': "duration_seconds: must be",
        '"duration_seconds": 1e999': "not JSON: Infinity is not a JSON number",
        f'"id": "{"é" * 65}"': "id: must",
    }
    lines = "".join(f'{{"system": "softdrive", {field}}}\n' for field in rules)
    path = write(tmp_path / "a.ndjson", lines + '{"code": "01"}\n{"system": "softdrive"}\n')
    done = run("send", path, "--url", url(running))
    assert done.returncode == 1
    for line, rule in enumerate([*rules.values(), "system: required"], 1):
        assert f"{path}:{line}: rejected: {rule}" in done.stdout
    assert "10 read, 1 accepted, 0 duplicates, 9 rejected, 0 skipped" in done.stdout


def test_send_counts_once_after_a_kill_and_a_second_run(
    tmp_path: Path, running: ExporterProcess
) -> None:
    """Fails when each run makes new ids. `accepted` of the second run shows that the kill came half-way."""
    row = "streampixel,4001,s-%d\n"
    table = write(
        tmp_path / "a.csv",
        "system,code,session_id\n" + "".join(row % number for number in range(ROWS)),
    )
    command = ("send", table, "--url", url(running), "--batch", 50, "--json")
    first = subprocess.Popen(
        arguments(*command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        wait_for(lambda: running.total("session_ends_total") > 0, what="a first batch")
    finally:
        first.kill()
        first.wait()
    done = run(*command)
    assert done.returncode == 0, done.stderr
    sent = summary(done)
    assert sent["read"] == ROWS
    assert 0 < int(str(sent["accepted"])) < ROWS
    assert int(str(sent["accepted"])) + int(str(sent["duplicates"])) == ROWS
    assert running.total("session_ends_total") == ROWS
