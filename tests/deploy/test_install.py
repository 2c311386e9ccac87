"""docs/install.md: its commands are run, in a root of their own.

Programs that need a daemon (systemctl, docker) or install packages are replaced by ones that write down how
they were called; what they were asked for is then looked up.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.exporter_process import ROOT
from tests.root import as_root, give, names, owned, read

DOCUMENT = ROOT / "docs/install.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
TOLD = ("make", "systemctl", "docker", "scripts/debian-packages")
UNITS = {"prometheus.service", "prometheus-alertmanager.service"}
"""Of Debian's packages."""


class Machine:
    """A folder that stands for /, with a copy of what the commands read of the repository."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.repository = folder / "repository"
        self._told = folder / "told"
        self._programs = folder / "bin"
        self._programs.mkdir()
        for name in ("etc/systemd/system", "etc/sysusers.d", "etc/tmpfiles.d", "etc/prometheus"):
            (self.root / name).mkdir(parents=True)
        (self.root / "etc/passwd").write_text("prometheus:x:998:998::/:/usr/sbin/nologin\n")
        (self.root / "etc/group").write_text("prometheus:x:998:\n")
        # systemd-tmpfiles makes nothing of root's in a folder of somebody else.
        give(self.root)
        ignore = shutil.ignore_patterns("secrets")
        for name in ("deploy", "rules", "scripts"):
            shutil.copytree(ROOT / name, self.repository / name, ignore=ignore)
        for name in TOLD:
            program = self._programs / Path(name).name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self._told}"\n')
            program.chmod(0o755)

    def run(self, block: str) -> None:
        """The block's commands, with this machine's / in place of the real one."""
        script = re.sub(r"(?<![\w.])/(etc|var)/", rf"{self.root}/\1/", block)
        script = re.sub(r"^(systemd-\w+)", rf"\1 --root={self.root}", script, flags=re.MULTILINE)
        script = re.sub(r"^scripts/", "", script, flags=re.MULTILINE)
        # Names of users are the other root's.
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, *_ = line.split(":")
            script = script.replace(f"chown {name} ", f"chown {uid} ")
            script = script.replace(f"-g {name} ", f"-g {uid} ")
        done = as_root(
            *("sh", "-eu"),
            text=script,
            cwd=self.repository,
            env={"PATH": f"{self._programs}:{os.environ['PATH']}"},
        )
        assert done.returncode == 0, (script, done.stdout, done.stderr)

    def told(self, name: str) -> list[Sequence[str]]:
        """How one of the replaced programs was called: its arguments, call by call."""
        lines = self._told.read_text().splitlines()
        return [line.split()[1:] for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def machine(root_folder: Path) -> Machine:
    return Machine(root_folder)


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """After every command of the document."""
    assert len(BLOCKS) >= 7
    for block in BLOCKS:
        machine.run(block)
    return machine


def test_every_code_block_is_run() -> None:
    assert set(re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)) == {"sh", ""}


def test_make_targets_exist(installed: Machine) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    targets = {argument for call in installed.told("make") for argument in call}
    assert {"demo", "run", ".venv/.run"} <= targets
    for target in targets:
        subprocess.run(
            ["make", "--dry-run", target],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )


def test_started_units_are_installed(installed: Machine) -> None:
    units = {
        argument
        for call in installed.told("systemctl")
        for argument in call
        if argument.endswith(".service")
    }
    assert "session-end-exporter.service" in units
    for unit in units - UNITS:
        assert (installed.root / "etc/systemd/system" / unit).exists(), unit
    brought = {
        f"{name}.service" for call in installed.told("scripts/debian-packages") for name in call
    }
    assert units & UNITS <= brought


def test_tokens_are_readable_only_by_the_service_user(installed: Machine) -> None:
    passwd = (installed.root / "etc/passwd").read_text().splitlines()
    uid = next(int(line.split(":")[2]) for line in passwd if line.startswith("session-end-"))
    (tokens,) = owned(installed.root / "etc/session-end-exporter/ingest-tokens").values()
    assert (tokens.uid, tokens.mode) == (uid, 0o400)


def test_written_settings_are_valid_with_the_written_tokens(
    installed: Machine,
) -> None:
    text = read(installed.root / "etc/session-end-exporter/environment")
    given = dict(line.split("=", 1) for line in text.splitlines() if line and line[0] != "#")
    assert len(given) == 2
    done = as_root(sys.executable, "-m", "exporter", "check", cwd=ROOT, env=given)
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_secrets_belong_to_the_users_of_the_containers(installed: Machine) -> None:
    folder = installed.repository / "deploy/compose/secrets"
    found = owned(*names(folder))
    assert {name: one.uid for name, one in found.items()} == {
        "ingest-tokens": 10001,
        "grafana-admin": 472,
        "slack-page": 65534,
        "slack-ticket": 65534,
    }
    assert {one.mode for one in found.values()} == {0o400}


def test_files_given_to_docker_exist(installed: Machine) -> None:
    calls = installed.told("docker")
    assert {call[0] for call in calls} == {"compose", "build"}
    for call in calls:
        for flag, name in pairwise(call):
            if flag == "-f":
                folder = "deploy/compose" if call[0] == "compose" else "."
                assert (ROOT / folder / name).exists(), name
    assert (ROOT / "deploy/compose/compose.yaml").exists()


def test_links_lead_to_existing_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (DOCUMENT.parent / target).exists(), target
