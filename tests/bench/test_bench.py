"""The benchmarks: each row is filled, and the table fits a terminal. The figures of these short runs mean
nothing."""

import re
import subprocess
import sys
from pathlib import Path

from tests.bench.benches import BENCHES
from tests.bench.peers import STATSD
from tests.bench.turns import WIDTH
from tests.e2e.exporter_process import ROOT
from tests.programs import finished

REPEATED = {"start", "p99-otlp", "rules-1", "rules-10", "redis-batches"}
"""Rows whose code other rows or tests already run with another parameter."""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return finished(sys.executable, "-m", *arguments, cwd=ROOT, timeout=300)


def test_every_row_is_filled_and_fits_a_terminal() -> None:
    rows = [row for row in BENCHES if row.key not in REPEATED]
    assert len(rows) == len(BENCHES) - len(REPEATED)
    done = run("tests.bench", "--quick", "--only", *(row.key for row in rows))
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


def test_another_checkout_is_measured_in_place_of_the_peers() -> None:
    done = run("tests.bench", "--quick", "--only", "start", "--against", str(ROOT))
    assert done.returncode == 0, done.stderr
    assert re.search(r"no ids +[\d.]+ ±\d+ % +old [\d.]+ ±\d+ % ", done.stdout), done.stdout
