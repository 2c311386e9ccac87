"""`simulate` to an exporter, interrupted, and wrongly used."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from exporter.cli import app
from exporter.simulate.incidents import KINDS
from exporter.simulate.options import Options, resolve, rfc3339
from tests.commands.running import arguments, environment, run, url
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.simulate.ran import NOW, START, Ran

MINUTE = 60.0


def after(seconds: float) -> str:
    """The time so long after `START`, as the command writes it."""
    return rfc3339(datetime.fromisoformat(START).timestamp() + seconds)


def counted(said: str) -> tuple[int, int, int]:
    """read, accepted and duplicates of the summary."""
    numbers = said.splitlines()[-1].replace(",", "").split()
    assert numbers[1::2][:3] == ["read", "accepted", "duplicates"]
    return int(numbers[0]), int(numbers[2]), int(numbers[4])


# --- to an exporter -------------------------------------------------------------------------------


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
    assert "Gave up after 300 s" in ran.said


def test_a_token_is_sent_from_its_file(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-that-is-long-enough-0123456789\n")
    token.chmod(0o600)
    with ExporterProcess(tmp_path / "data", settings={"ingest_token_file": token}) as guarded:
        assert Ran(url=url(guarded), duration="1m", token_file=token).exit_code == 0
        refused = Ran(url=url(guarded), duration="1m")
    assert refused.exit_code == 2
    assert "401" in refused.said


# --- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "error: --url, --openmetrics, --ndjson: give one of them"),
        (("--ndjson", "x", "--speed", "0"), "error: --speed = 0: from 0.01 to 1,000,000"),
        (("--ndjson", "x", "--incident", "z"), "error: --incident z: one of capacity-small"),
        (("--url", "nonsense"), "error: --url = 'nonsense': must be http://HOST:PORT"),
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
    """Fails when a command imports the simulator at its top: every `--help` would pay for numpy."""
    code = "import sys, exporter.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
