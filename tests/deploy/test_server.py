"""The server section of docs/install.md: at its end an outage pages, and each link of the page opens."""

import json
import re
from pathlib import Path

import pytest

from dashboards.source.queries import PERIOD
from tests.deploy.scratch_root import run_in_scratch_root
from tests.e2e.exporter_process import ROOT
from tests.rule_groups import alerts, recording

DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


@pytest.fixture(scope="module")
def retention(tmp_path_factory: pytest.TempPathFactory) -> str:
    """How long Prometheus keeps samples, after all commands of the section and all checks of new_user.py."""
    folder = tmp_path_factory.mktemp("scratch")
    done = run_in_scratch_root(folder, "-m", "tests.deploy.new_user")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    return done.stdout.splitlines()[-1]


def days(duration: str) -> float:
    """Days of a PromQL duration; units below a day count as 0."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration)
    return sum(int(number) * DAYS.get(unit, 0) for number, unit in parts)


def test_prometheus_keeps_the_samples_of_rules_and_dashboards(retention: str) -> None:
    """The retention covers windows plus offsets of rules, and the month before the week of the SLO
    dashboard."""
    rules = [*recording().values(), *(rule["expr"] for rule in alerts().values())]
    windows = [window for rule in rules for window in re.findall(r"\[(\w+)", rule)]
    offsets = [offset for rule in rules for offset in re.findall(r"offset (\w+)", rule)]
    of_rules = max(map(days, windows)) + max(map(days, offsets))
    slo = json.loads((ROOT / "dashboards/session-ends-slo.json").read_text())
    of_dashboards = days(PERIOD) + days(slo["time"]["from"].removeprefix("now-"))
    assert days(retention) > max(of_rules, of_dashboards) > 30


def test_commands_succeed_and_the_mount_of_the_scratch_root_is_gone(
    retention: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert retention
    assert str(tmp_path_factory.getbasetemp()) not in Path("/proc/self/mounts").read_text()
