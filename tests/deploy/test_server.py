"""The server section of docs/install.md, in a copy of this machine that is gone afterwards.

The files of the copy are those of this machine, and changes stay in memory. Processes, mounts and network are
its own, so programs have their default ports. systemd does not run there: `systemctl` is
tests/deploy/systemctl.py.
"""

import json
import re
import sys
from pathlib import Path

import pytest

from dashboards.source.queries import PERIOD
from tests.e2e.exporter_process import ROOT
from tests.root import as_root
from tests.rule_groups import alerts, recording

SCRATCH_ROOT = """
scratch=$1 repository=$2 prefix=$3 python=$4
shift 4
mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
cd "$scratch"
mkdir root upper work repository-upper repository-work
mount -t overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" overlay root
for folder in "$repository" "$prefix"; do
    # They are on another disk than /.
    [ -e "root$folder" ] || { mkdir -p "root$folder"; mount --bind "$folder" "root$folder"; }
    # Services are users who may not read the home of root.
    parent=$(dirname "$folder")
    while [ "$parent" != / ]; do chmod o+x "root$parent"; parent=$(dirname "$parent"); done
done
cd root
mkdir -p opt/session-end-exporter opt/stubs
layers="lowerdir=$repository,upperdir=$scratch/repository-upper,workdir=$scratch/repository-work"
mount -t overlay -o "$layers" overlay opt/session-end-exporter
mount -t proc proc proc
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm
printf '#!/bin/sh\\nexec %s %s/tests/deploy/systemctl.py "$@"\\n' "$python" "$repository" >opt/stubs/systemctl
# The repository is up to date.
printf '#!/bin/sh\\necho "$0 $*"\\n' >opt/stubs/git
chmod +x opt/stubs/*
ip link set lo up
pivot_root . mnt
umount --lazy mnt
cd "$repository"
# Without exec: the shell, as the first process, collects the exit codes of services that stop.
"$python" "$@"
exit $?
"""
"""Runs Python with arguments in the checkout, in a new root at the folder $1, as the first process."""
DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


@pytest.fixture(scope="module")
def retention(tmp_path_factory: pytest.TempPathFactory) -> str:
    """How long Prometheus keeps samples, after all commands of the section and all checks of new_user.py."""
    folder = tmp_path_factory.mktemp("scratch")
    given = (folder, ROOT, sys.base_prefix, sys.executable, "-m", "tests.deploy.new_user")
    namespaces = ("--mount", "--net", "--pid", "--fork", "--kill-child")
    done = as_root("unshare", *namespaces, "sh", "-eu", "-c", SCRATCH_ROOT, "sh", *given)
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
