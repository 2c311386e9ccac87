"""`simulate`: events to an exporter, events to files, and wrong usage."""

import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from exporter.send.delivery import Clock
from exporter.simulate.command import simulate
from exporter.simulate.incidents import DESCRIPTIONS, KINDS
from exporter.simulate.options import Options
from tests.commands.running import arguments, call, environment, url, write
from tests.e2e.exporter_process import ExporterProcess
from tests.programs import finished
from tests.send.fake_exporter import FakeExporter

NOW = 1_800_000_000.0
START = "2026-01-05T08:00:00Z"


class InProcess:
    """Runs the command in this process; has its `exit_code`, its `log`, and the seconds that it slept.

    Ctrl-C is pressed once it has slept for `interrupt` seconds. The first answer takes `delay` seconds.
    """

    def __init__(self, *, interrupt: float = math.inf, delay: float = 0, **options: Any) -> None:
        self.slept = 0.0
        self._interrupt = interrupt
        self._delay = delay
        out = io.StringIO()
        clock = Clock(lambda: self.slept, lambda: NOW, self._sleep, lambda low, high: high)
        self.exit_code = simulate(Options(**options), out, clock)
        self.log = out.getvalue()

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds + self._delay
        self._delay = 0
        if self.slept > self._interrupt:
            raise KeyboardInterrupt

    def counted(self) -> tuple[int, int, int]:
        """The numbers of read, accepted and duplicate events in the summary."""
        numbers = self.log.splitlines()[-1].replace(",", "").split()
        assert numbers[1::2][:3] == ["read", "accepted", "duplicates"]
        return int(numbers[0]), int(numbers[2]), int(numbers[4])


@pytest.fixture
def fake() -> Iterator[FakeExporter]:
    with FakeExporter() as server:
        yield server


def test_posting_twice_with_a_seed_gives_duplicates_only(tmp_path: Path) -> None:
    """Fails when events contain the time of posting: repeated events would be conflicts."""
    options: dict[str, Any] = {"system": "both", "seed": 4, "incidents": ["capacity-large@10m"]}
    with ExporterProcess(tmp_path / "data") as running:
        first, second = (InProcess(url=url(running), **options) for _ in range(2))
        assert (first.exit_code, second.exit_code) == (0, 0)
        read, accepted, duplicates = first.counted()
        assert read == accepted > 1000
        assert duplicates == 0
        assert second.counted() == (read, 0, read)
        assert running.total("session_ends_total") == read
        assert running.total("session_ends_late_total") == 0
        assert running.total("session_ends_total", system="streampixel", code="4001") > 20
        assert running.total("session_ends_total", system="softdrive", code="18") > 20
        file = tmp_path / "ends.ndjson"
        InProcess(ndjson=file, start=START, **options)
        assert len(file.read_text().splitlines()) == read
        assert InProcess(ndjson=file, system="both", start=START).exit_code == 0
        sent = call("send", file, "--url", url(running), "--json")
        assert (sent.returncode, "ignored" in sent.stderr) == (0, False)
        assert json.loads(sent.stdout)["accepted"] == len(file.read_text().splitlines()) > 500


def test_posting_logs_when_incidents_start_and_end(fake: FakeExporter) -> None:
    """The second incident is cut off by the end of the run."""
    incidents = ["capacity-large@10m", "stop@75m"]
    posted = InProcess(url=fake.url, seed=4, duration="90m", incidents=incidents)
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


def test_interrupted_posting_ends_with_the_summary_and_exit_code_0(fake: FakeExporter) -> None:
    """Fails with a traceback, or with an exit code that means failure."""
    posted = InProcess(url=fake.url, interrupt=20)
    assert (posted.exit_code, posted.counted()[0]) == (0, len(fake.counted))
    assert fake.counted
    assert "Interrupted; events posted until now:" in posted.log


def test_slow_answer_delays_no_later_event(fake: FakeExporter) -> None:
    options: dict[str, Any] = {"speed": 1.0, "duration": "15s", "ends_per_hour": 1e5, "seed": 4}
    assert InProcess(url=fake.url, delay=10, **options).slept == pytest.approx(15)
    (history,) = Options(url=fake.url, **options).run(NOW, 1).histories()
    assert len(fake.counted) == history.ends.sum() > 50
    assert not any("occurred_at" in event for event in fake.counted.values())


def test_undelivered_events_exit_with_2(fake: FakeExporter, tmp_path: Path) -> None:
    """No exporter listens, or the exporter requires a token."""
    nowhere = InProcess(url="http://127.0.0.1:1", seed=4)
    assert (nowhere.exit_code, "Gave up after 300 s" in nowhere.log) == (2, True)
    token = write(tmp_path / "token", "a-token\n")
    fake.token = "a-token"
    assert InProcess(url=fake.url, duration="1m", token_file=token).exit_code == 0
    refused = InProcess(url=fake.url, duration="1m")
    assert (refused.exit_code, "401" in refused.log) == (2, True)


def test_openmetrics_directory_is_created_with_a_file_per_day(tmp_path: Path) -> None:
    folder = tmp_path / "past"
    assert InProcess(openmetrics=folder, seed=4, start=START, duration="1d").exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["2026-01-05.om", "2026-01-06.om"]
    assert InProcess(openmetrics=folder / "2026-01-05.om").exit_code == 2


def test_closed_standard_output_leaves_no_traceback() -> None:
    """Fails without the flush: of a short text, Python prints "Exception ignored" at its exit."""
    command = arguments("simulate", "--ndjson", "-", "--for", "1m", "--seed", 4)
    closed = ("bash", "-o", "pipefail", "-c", '"$@" | :', "bash")
    done = finished(*closed, *command, env=environment(), timeout=60)
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
    given: Sequence[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("simulate", *given)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_has_every_incident_with_its_description_in_eighty_columns() -> None:
    done = call("simulate", "--list-incidents")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert set(DESCRIPTIONS) == set(KINDS)
    for name, description in DESCRIPTIONS.items():
        assert f"\n{name}: " in f"\n{done.stdout}"
        assert f"\n  {description}\n" in done.stdout


def test_help_shows_examples_that_the_command_accepts() -> None:
    help_text = call("simulate", "--help").stdout
    lines = help_text.replace("\\\n", " ").splitlines()
    begin = "session-end-exporter simulate --"
    examples = [line.split()[1:] for line in lines if line.lstrip().startswith(begin)]

    def check(options: Options, _: object) -> int:
        assert options.run(NOW, 1).systems
        return 0

    with mock.patch("exporter.simulate.command.simulate", check):
        assert [call(*words).returncode for words in examples] == [0, 0, 0]
