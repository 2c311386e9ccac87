"""`simulate` as people run it: to files, to an exporter, interrupted, and wrongly used."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from exporter.cli import app
from exporter.send.delivery import Clock
from exporter.simulate.command import simulate
from exporter.simulate.incidents import KINDS
from exporter.simulate.options import Options, resolve, rfc3339
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for

NOW = 1_800_000_000.0
START = "2026-01-05T08:00:00Z"
MINUTE = 60.0


def arguments(*given: object) -> list[str]:
    return [sys.executable, "-m", "exporter", *map(str, given)]


def environment() -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "SESSION_EXPORTER" not in key}
    # Set where tests run in a container, and then no output is ever left to be flushed at the exit.
    clean.pop("PYTHONUNBUFFERED", None)
    return {**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}


def run(*given: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments(*given),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )


class Ran:
    """The command in this process; its clock moves by sleeping alone."""

    def __init__(self, terminal: bool = False, **options: Any) -> None:
        self.now = 0.0
        self.interrupted_at = options.pop("interrupted_at", None)
        wall = options.pop("wall", NOW)
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=100, color_system=None)
        clock = Clock(lambda: self.now, lambda: wall, self._sleep, lambda low, high: high)
        self.exit_code = simulate(Options(**options), console, clock=clock)
        self.said = text.getvalue()

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.interrupted_at is not None and self.now >= self.interrupted_at:
            raise KeyboardInterrupt


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path / "data") as started:
        yield started


def url(running: ExporterProcess) -> str:
    return f"http://127.0.0.1:{running.ports['ingest']}"


def after(seconds: float) -> str:
    """The time so long after `START`, as the command writes it."""
    return rfc3339(datetime.fromisoformat(START).timestamp() + seconds)


def counted(said: str) -> tuple[int, int, int]:
    """read, accepted and duplicates of the summary."""
    numbers = said.splitlines()[-1].replace(",", "").split()
    assert numbers[1::2][:3] == ["read", "accepted", "duplicates"]
    return int(numbers[0]), int(numbers[2]), int(numbers[4])


# --- to an exporter ---------------------------------------------------------------------------------


def test_posting_twice_with_one_seed_gives_duplicates_only(running: ExporterProcess) -> None:
    """Fails when events carry the time at which they are posted: the repeats would be conflicts."""
    options: dict[str, Any] = {
        "url": url(running),
        "system": "both",
        "seed": 4,
        "incidents": ["capacity-large@10m"],
    }
    first, second = Ran(**options), Ran(**options)
    assert (first.exit_code, second.exit_code) == (0, 0)
    read, accepted, duplicates = counted(first.said)
    assert read == accepted > 1000
    assert duplicates == 0
    assert counted(second.said) == (read, 0, read)
    assert running.total("session_ends_total") == read
    assert running.total("session_ends_late_total") == 0
    assert running.total("session_ends_total", system="streampixel", code="4001") > 20
    assert running.total("session_ends_total", system="softdrive", code="18") > 20


def test_another_seed_is_counted_anew(running: ExporterProcess) -> None:
    one, other = (Ran(url=url(running), seed=seed, duration="10m") for seed in (4, 5))
    assert counted(one.said)[1] == counted(one.said)[0]
    assert counted(other.said)[1] == counted(other.said)[0]


def test_an_hour_takes_a_minute_and_says_what_happens_when(running: ExporterProcess) -> None:
    """The stop is cut at the end of the run, and is over then."""
    over = 10 * MINUTE + KINDS["capacity-large"].seconds
    stop, end = over + 5 * MINUTE, over + 20 * MINUTE
    assert end < stop + KINDS["stop"].seconds
    ran = Ran(
        url=url(running),
        seed=4,
        duration=f"{end:.0f}s",
        incidents=["capacity-large@10m", f"stop@{stop:.0f}s"],
    )
    assert ran.now == pytest.approx(end / 60)
    assert ran.said.splitlines()[:-1] == [
        f"the same again: --seed 4 --start {START}",
        "2026-01-05T08:10:00Z capacity-large on streampixel 4001 (page: spike) begins",
        f"{after(over)} capacity-large on streampixel 4001 (page: spike) is over",
        f"{after(stop)} stop on streampixel (page: stopped) begins",
        f"{after(end)} stop on streampixel (page: stopped) is over",
    ]


def test_a_terminal_shows_a_bar_that_names_what_goes_on(running: ExporterProcess) -> None:
    options: dict[str, Any] = {"url": url(running), "seed": 4, "incidents": ["flapping@1m"]}
    shown = Ran(terminal=True, **options).said
    assert "Mon 08:" in shown
    # The news say its name twice; the bar writes it again.
    assert shown.count("flapping") > 2
    assert "events" not in Ran(**options).said


def test_an_interrupt_ends_with_the_summary_and_exit_code_0(running: ExporterProcess) -> None:
    """Fails with a traceback, or with a code that a shell takes for a failure."""
    ran = Ran(url=url(running), seed=4, interrupted_at=20.0)
    assert ran.exit_code == 0
    assert "interrupted" in ran.said
    read, accepted, _ = counted(ran.said)
    assert 0 < read == accepted == running.total("session_ends_total")


def test_a_real_sigint_does_the_same(running: ExporterProcess) -> None:
    process = subprocess.Popen(
        # Tests in the background have SIGINT ignored, and children inherit that.
        ["env", "--default-signal=INT", *arguments("simulate", "--url", url(running), "--days", 1)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        wait_for(lambda: running.total("session_ends_total") > 0, what="events")
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, "")
    assert counted(said)[0] == running.total("session_ends_total")


def test_real_time_has_the_time_at_which_ends_occur(running: ExporterProcess) -> None:
    """Fails when real time goes without `occurred_at`, or counts from another start than now."""
    ran = Ran(url=url(running), speed=1.0, duration="15s", ends_per_hour=1e5, wall=time.time())
    read, accepted, _ = counted(ran.said)
    assert read == accepted > 50
    assert running.total("session_ends_late_total") == 0
    assert running.total("session_exporter_event_delay_seconds_count") > 0


def test_an_exporter_that_is_away_makes_exit_code_2(running: ExporterProcess) -> None:
    running.stop()
    ran = Ran(url=url(running), seed=4)
    assert ran.exit_code == 2
    assert "gave up after 300 s" in ran.said


def test_a_token_is_sent_from_its_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough-0123456789\n")
    token.chmod(0o600)
    with ExporterProcess(tmp_path / "data", settings={"ingest_token_file": token}) as guarded:
        assert Ran(url=url(guarded), duration="1m", token_file=token).exit_code == 0
        refused = Ran(url=url(guarded), duration="1m")
    assert refused.exit_code == 2
    assert "401" in refused.said


# --- to files ---------------------------------------------------------------------------------------


def test_send_takes_what_ndjson_writes_and_counts_all_of_it(
    tmp_path: Path, running: ExporterProcess
) -> None:
    file = tmp_path / "ends.ndjson"
    written = run("simulate", "--ndjson", file, "--system", "both", "--seed", 4)
    assert written.returncode == 0, written.stderr
    lines = len(file.read_text().splitlines())
    sent = run("send", file, "--url", url(running), "--json")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert json.loads(sent.stdout)["accepted"] == lines > 500
    assert "are ignored" not in sent.stderr
    # The last quarter of an hour is on time.
    on_time, late = (
        running.total(name) for name in ("session_ends_total", "session_ends_late_total")
    )
    assert on_time + late == lines
    assert 0 < on_time < late


def test_the_same_flags_write_the_same_file(tmp_path: Path) -> None:
    for option in ("ndjson", "openmetrics"):
        texts = set()
        for name in ("a", "b"):
            path = tmp_path / name
            assert Ran(**{option: path}, seed=4, start=START, days=0.1).exit_code == 0
            texts.add(path.read_bytes())
        assert len(texts) == 1


def test_what_happened_is_told_with_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "ends.ndjson"
    ran = Ran(ndjson=path, seed=4, start=START, incidents=["stop@30m"])
    ends = len(path.read_text().splitlines())
    assert ran.said.splitlines() == [
        f"the same again: --seed 4 --start {START}",
        "2026-01-05T08:30:00Z to 2026-01-05T09:00:00Z stop on streampixel (page: stopped)",
        f"streampixel: {ends:,} ends until 2026-01-05T09:00:00Z",
    ]


def test_a_directory_gets_a_file_a_day(tmp_path: Path) -> None:
    assert Ran(openmetrics=tmp_path, seed=4, start=START, days=1.0).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-01-05.om", "2026-01-06.om"]


def test_standard_output_has_the_events_alone() -> None:
    done = run("simulate", "--ndjson", "-", "--seed", 1, "--start", START)
    assert done.returncode == 0
    assert {json.loads(line)["system"] for line in done.stdout.splitlines()} == {"streampixel"}
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("lasting", ["1d", "2m"], ids=["while written", "when flushed"])
def test_a_reader_that_has_enough_is_no_error(lasting: str) -> None:
    """Fails with a traceback, or with "Exception ignored" at the interpreter's exit."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*arguments("simulate", "--ndjson", "-", "--start", START), "--for", lasting],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env=environment(),
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 2, done.stderr


@pytest.mark.parametrize(
    ("blocks", "lasting"),
    [(64, "1d"), (1, "2m")],
    ids=["while it is written", "when it is flushed"],
)
def test_a_file_that_can_not_be_finished_is_removed(
    blocks: int, lasting: str, tmp_path: Path
) -> None:
    """Fails when half a file is left: it looks like a whole one."""
    path = tmp_path / "ends.ndjson"
    command = [*arguments("simulate", "--ndjson", path, "--for", lasting), "--start", START]
    limited = subprocess.run(
        ["bash", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "bash", *command],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert limited.returncode == 2
    assert f"error: --ndjson {path}: File too large" in limited.stderr
    assert not path.exists()


def test_a_pipe_that_nobody_reads_to_its_end_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def read_a_little() -> None:
        with path.open("rb") as pipe:
            pipe.read(10)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    ran = Ran(ndjson=path, days=1.0)
    reader.join()
    assert ran.exit_code == 2
    assert path.exists()


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Fails when a file that could not even be opened is removed."""
    folder = tmp_path / "folder"
    folder.mkdir()
    assert Ran(ndjson=folder).exit_code == 2
    assert folder.is_dir()
    assert Ran(ndjson=tmp_path / "none" / "ends.ndjson").exit_code == 2


# --- usage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "error: --url, --openmetrics, --ndjson: give one of them"),
        (("--ndjson", "x", "--speed", "0"), "error: --speed = 0: from 0.01 to 1,000,000"),
        (("--ndjson", "x", "--incident", "z"), "error: --incident z: one of capacity-small"),
        (("--url", "nonsense"), "error: --url = 'nonsense': http://HOST:PORT"),
        (
            ("--url", "http://h", "--token-file", "/nowhere"),
            "error: --token-file /nowhere: No such",
        ),
        (("--ndjson", "x", "--ends-per-hour", "many"), "'--ends-per-hour'"),
        (("--ndjson", "x", "--system", "mine"), "'--system'"),
    ],
)
def test_wrong_usage_names_option_and_rule_and_exits_with_2(
    given: Sequence[str], said: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        arguments("simulate", *given),
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_list_has_every_incident_with_its_story_in_eighty_columns() -> None:
    done = run("simulate", "--list-incidents")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    listed = {line.split()[0] for line in done.stdout.splitlines() if line[:1].strip()}
    assert listed == {*KINDS, "standard"}
    shown = " ".join(done.stdout.split())
    for kind in KINDS.values():
        assert len(kind.story) > 40
        assert kind.story in shown


def test_help_shows_examples_that_the_command_takes() -> None:
    shown = run("simulate", "--help")
    assert shown.returncode == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    examples = [
        line.partition("simulate ")[2].split()
        for line in shown.stdout.splitlines()
        if "simulate --" in line
    ]
    assert len(examples) == 3
    command = getattr(typer.main.get_command(app), "commands")["simulate"]  # noqa: B009
    for words in examples:
        given = command.make_context("simulate", words).params
        options = Options(
            url=given["url"],
            openmetrics=given["openmetrics"],
            system=given["system"],
            days=given["days"],
            incidents=given["incident"] or (),
            speed=given["speed"],
        )
        assert resolve(options, NOW, lambda: 1).systems


def test_other_commands_do_not_wait_for_numpy() -> None:
    """Fails when cli.py imports the simulator at its top: every `--help` would pay for numpy."""
    code = "import sys, exporter.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
