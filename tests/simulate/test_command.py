"""`simulate` to an exporter, to files, and with wrong usage."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from exporter.cli import app
from exporter.send.delivery import Clock
from exporter.simulate.command import simulate
from exporter.simulate.incidents import KINDS, STORIES
from exporter.simulate.options import Options
from tests.commands.running import arguments, environment, run, url
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for

NOW = 1_800_000_000.0
START = "2026-01-05T08:00:00Z"


class InProcess:
    """Runs the command; `exit_code`, its `log`, and the seconds that it slept."""

    def __init__(self, **options: Any) -> None:
        self.slept = 0.0
        wall = options.pop("wall", NOW)
        out = io.StringIO()
        clock = Clock(lambda: self.slept, lambda: wall, self._sleep, lambda low, high: high)
        self.exit_code = simulate(Options(**options), out, clock)
        self.log = out.getvalue()

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def counted(self) -> tuple[int, int, int]:
        """Read, accepted and duplicate events of the summary."""
        numbers = self.log.splitlines()[-1].replace(",", "").split()
        assert numbers[1::2][:3] == ["read", "accepted", "duplicates"]
        return int(numbers[0]), int(numbers[2]), int(numbers[4])


def test_posting_twice_with_a_seed_gives_duplicates_only(running: ExporterProcess) -> None:
    """Fails when events carry the time of posting: repeated events would be conflicts."""
    options: dict[str, Any] = {"url": url(running), "system": "both", "seed": 4}
    first, second = (InProcess(**options, incidents=["capacity-large@10m"]) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    read, accepted, duplicates = first.counted()
    assert read == accepted > 1000
    assert duplicates == 0
    assert second.counted() == (read, 0, read)
    assert running.total("session_ends_total") == read
    assert running.total("session_ends_late_total") == 0
    assert running.total("session_ends_total", system="streampixel", code="4001") > 20
    assert running.total("session_ends_total", system="softdrive", code="18") > 20
    other = InProcess(url=url(running), seed=5, duration="10m")
    assert other.counted()[0] == other.counted()[1] > 0


def test_posting_logs_when_incidents_start_and_end(running: ExporterProcess) -> None:
    """The second incident is cut off by the end of the run."""
    incidents = ["capacity-large@10m", "stop@75m"]
    posted = InProcess(url=url(running), seed=4, duration="90m", incidents=incidents)
    assert posted.slept == pytest.approx(90)
    capacity = "capacity-large on streampixel 4001 (expected alert: spike page)"
    stop = "stop on streampixel (expected alert: stopped page)"
    assert posted.log.splitlines()[:-1] == [
        f"To repeat this run: --seed 4 --start {START}",
        f"2026-01-05T08:10:00Z start: {capacity}",
        f"2026-01-05T09:10:00Z end: {capacity}",
        f"2026-01-05T09:15:00Z start: {stop}",
        f"2026-01-05T09:30:00Z end: {stop}",
    ]


def test_interrupted_posting_ends_with_the_summary_and_exit_code_0(
    running: ExporterProcess,
) -> None:
    """Fails with a traceback, or with an exit code that means failure."""
    process = subprocess.Popen(
        # Background processes ignore SIGINT, and children inherit that.
        ["env", "--default-signal=INT", *arguments("simulate", "--url", url(running))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        wait_for(lambda: running.total("session_ends_total") > 0, what="events")
        process.send_signal(signal.SIGINT)
        log, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, "")
    read = int(log.splitlines()[-1].split()[0].replace(",", ""))
    assert read == running.total("session_ends_total")


def test_real_time_events_carry_their_time(running: ExporterProcess) -> None:
    """Fails when real time has no `occurred_at`, or starts at another time than now."""
    options: dict[str, Any] = {"speed": 1.0, "duration": "15s", "ends_per_hour": 1e5}
    posted = InProcess(url=url(running), wall=time.time(), **options)
    read, accepted, _ = posted.counted()
    assert read == accepted > 50
    assert running.total("session_ends_late_total") == 0
    assert running.total("session_exporter_event_delay_seconds_count") > 0


def test_posting_to_a_stopped_exporter_exits_with_2(running: ExporterProcess) -> None:
    running.stop()
    posted = InProcess(url=url(running), seed=4)
    assert posted.exit_code == 2
    assert "Gave up after 300 s" in posted.log


def test_posting_sends_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough-0123456789\n")
    token.chmod(0o600)
    with ExporterProcess(tmp_path / "data", settings={"ingest_token_file": token}) as guarded:
        assert InProcess(url=url(guarded), duration="1m", token_file=token).exit_code == 0
        refused = InProcess(url=url(guarded), duration="1m")
    assert refused.exit_code == 2
    assert "401" in refused.log


def test_send_accepts_the_events_of_a_file(tmp_path: Path, running: ExporterProcess) -> None:
    file = tmp_path / "ends.ndjson"
    written = run("simulate", "--ndjson", file, "--system", "both", "--seed", 4)
    assert written.returncode == 0, written.stderr
    lines = len(file.read_text().splitlines())
    sent = run("send", file, "--url", url(running), "--json")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert json.loads(sent.stdout)["accepted"] == lines > 500
    assert "ignored" not in sent.stderr


def test_same_flags_write_the_same_files_and_log_the_incidents(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seed": 4, "start": START, "incidents": ["stop@30m"]}
    logs = {InProcess(ndjson=tmp_path / name, **options).log for name in ("a", "b")}
    text = (tmp_path / "a").read_text()
    assert (tmp_path / "b").read_text() == text
    (log,) = logs
    assert log.splitlines() == [
        f"To repeat this run: --seed 4 --start {START}",
        "2026-01-05T08:30:00Z to 2026-01-05T09:00:00Z: "
        "stop on streampixel (expected alert: stopped page)",
        f"streampixel: {len(text.splitlines()):,} ends until 2026-01-05T09:00:00Z",
    ]


def test_openmetrics_directory_is_created_with_a_file_per_day(tmp_path: Path) -> None:
    folder = tmp_path / "past"
    assert InProcess(openmetrics=folder, seed=4, start=START, duration="1d").exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["2026-01-05.om", "2026-01-06.om"]
    assert InProcess(openmetrics=folder / "2026-01-05.om").exit_code == 2


def test_standard_output_has_the_events_alone() -> None:
    done = run("simulate", "--ndjson", "-", "--seed", 1, "--start", START)
    assert done.returncode == 0
    assert {json.loads(line)["system"] for line in done.stdout.splitlines()} == {"streampixel"}
    assert len(done.stderr.splitlines()) == 2


def test_closed_standard_output_leaves_no_traceback() -> None:
    """Fails with "Exception ignored" at the interpreter's exit without the flush."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            arguments("simulate", "--ndjson", "-", "--for", "10m", "--seed", 4),
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "error: --url, --openmetrics, --ndjson: give exactly one of them"),
        (("--url", "nonsense"), "error: --url = 'nonsense': must be http://HOST:PORT"),
        (("--ndjson", "/none/x"), "error: --ndjson /none/x: "),
        (("--ndjson", "x", "--seed", "-1"), "'--seed'"),
    ],
)
def test_wrong_usage_names_flag_and_rule_and_exits_with_2(
    given: Sequence[str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["env", "-C", tmp_path, *arguments("simulate", *given)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_has_every_incident_with_its_description_in_eighty_columns() -> None:
    done = run("simulate", "--list-incidents")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert set(STORIES) == set(KINDS)
    for name, story in STORIES.items():
        assert f"\n{name}: " in f"\n{done.stdout}"
        assert f"\n  {story}\n" in done.stdout


def test_help_shows_examples_that_the_command_accepts() -> None:
    help_text = run("simulate", "--help").stdout
    assert max(map(len, help_text.splitlines())) <= 80
    lines = help_text.replace("\\\n", " ").splitlines()
    begin = "session-end-exporter simulate --"
    examples = [line.split()[2:] for line in lines if line.lstrip().startswith(begin)]
    assert len(examples) == 3
    command = getattr(typer.main.get_command(app), "commands")["simulate"]  # noqa: B009
    for words in examples:
        given = command.make_context("simulate", words).params
        names = ("url", "openmetrics", "system", "speed")
        options = Options(
            **{name: given[name] for name in names},
            duration=given["for_"],
            incidents=given["incident"] or (),
        )
        assert options.run(NOW, 1).systems


def test_other_commands_do_not_import_numpy() -> None:
    """Fails when the command imports the simulator at its top: each `--help` would wait for numpy."""
    code = "import sys, exporter.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
