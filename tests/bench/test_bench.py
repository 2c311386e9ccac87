"""The benchmarks: each row is filled, the table fits a terminal, and a missing program is named.

The figures of these short runs mean nothing.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.benches import BENCHES
from tests.bench.peers import STATSD, pushgateway
from tests.bench.setup import Setup
from tests.bench.turns import WIDTH, Bench, Goal, Open, Peer, Sample, measure
from tests.e2e.exporter_process import ROOT
from tests.programs import finished

REPEATED = {"start", "p99-otlp", "rules-1", "rules-10", "redis-batches"}
"""Rows whose code other rows or tests already run with another parameter."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return finished(sys.executable, "-m", *arguments, cwd=ROOT, timeout=300)


def test_every_row_is_filled_and_fits_a_terminal() -> None:
    rows = [row for row in BENCHES if row.key not in REPEATED]
    assert len(rows) == len(BENCHES) - len(REPEATED)
    done = run("tests.bench", "--quick", f"--only={','.join(row.key for row in rows)}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for row in rows:
        [first] = [number for number, line in enumerate(lines) if line.startswith(row.what)]
        for peer in row.peers:
            assert any(peer.name in line for line in lines[first : first + 4])
    assert done.stdout.count("not measured") == (0 if STATSD.exists() else 1), done.stdout
    assert max(map(len, lines)) <= WIDTH


def test_growth_has_a_row_for_each_state_and_a_plot(tmp_path: Path) -> None:
    done = run("tests.bench.growth", "--quick", "--plot", str(tmp_path / "growth.svg"))
    assert done.returncode == 0, done.stderr
    for axis in ("ids in the window", "series", "connections"):
        assert f"\n| {axis} | " in done.stdout
        assert axis in (tmp_path / "growth.svg").read_text()


def opened(order: list[str], name: str, *values: float) -> Open:
    """A program whose turns measure these values and are recorded in `order`."""

    @contextmanager
    def open_it(_setup: Setup) -> Iterator[Callable[[], Sample]]:
        turns = iter(values)

        def turn() -> Sample:
            order.append(name)
            return Sample(next(turns))

        yield turn

    return open_it


def test_turns_alternate_and_an_error_is_not_reached(tmp_path: Path) -> None:
    order: list[str] = []
    setup = Setup(tmp_path, 1)
    peers = (Peer("peer", opened(order, "peer", 20, 10, 4), "≥ × 0.5"),)
    [line] = measure(Bench("key", "what", opened(order, "ours", 10, 5, 1), peers), setup, 3)
    assert order == ["peer", "ours"] * 3
    assert (line.measured, line.beside) == ("5.00 ±90 %", "peer 10.0 ±80 %")
    assert (line.compared, line.goal, line.reached) == ("× 0.50", "≥ × 0.5", True)
    [line] = measure(Bench("key", "what", opened(order, "ours"), peers), setup, 1)
    assert (line.note, line.reached) == ("not measured: StopIteration: ", False)


def test_missing_peer_is_named_and_is_not_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    peers = (Peer("Pushgateway", pushgateway, "≥ × 6"), Peer("peer", opened([], "peer", 4)))
    bench = Bench("key", "what", opened([], "ours", 1), peers)
    line, missing = measure(bench, Setup(tmp_path, 1), 1)
    assert line.beside.startswith("peer 4")
    reason = "prometheus-pushgateway is not installed"
    assert missing.note.startswith(f"Pushgateway not measured: {reason}")
    assert missing.reached is False


def test_another_checkout_is_measured_in_place_of_the_peers(tmp_path: Path) -> None:
    """The other checkout has the same exporter, whose start leaves a file."""
    started = tmp_path / "started"
    (tmp_path / "exporter").mkdir()
    for name in ("__init__.py", "serve.py"):
        (tmp_path / "exporter" / name).touch()
    (tmp_path / "exporter" / "cli.py").write_text(
        f"import sys\nopen({str(started)!r}, 'w').close()\nsys.path[0] = {str(ROOT)!r}\n"
        "for name in [*sys.modules]:\n    if name.startswith('exporter'):\n        del sys.modules[name]\n"
        "from exporter.cli import main\n"
    )
    done = run("tests.bench", "--quick", "--only=start", f"--against={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"no ids +[\d.]+ ±\d+ % +old [\d.]+ ±\d+ % ", done.stdout), done.stdout
    assert started.exists()


@pytest.mark.parametrize(
    ("goal", "ours", "theirs", "reached"),
    [
        ("≤ 15", [15, 99, 1], [], True),
        ("≤ 15", [16, 99, 1], [], False),
        ("≥ 150,000", [149_999], [], False),
        # A machine that becomes slower: the turns are compared one by one.
        ("≥ × 0.5", [10, 5, 1], [20, 10, 2], True),
        ("≥ × 0.5", [10, 4, 0.9], [20, 10, 2], False),
        ("≤ 10 more", [11, 21, 51], [1, 11, 41], True),
        ("≤ 10 more", [12, 22, 51], [1, 11, 41], False),
    ],
)
def test_goal_limits_the_median(
    goal: str, ours: list[float], theirs: list[float], reached: bool
) -> None:
    assert Goal(goal).reached(ours, theirs) is reached
