"""docs/install.md: its commands are run, in a root of their own.

Programs that need a daemon (systemctl, docker) or install packages are replaced by programs that write down
their arguments.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.exporter_process import ROOT
from tests.root import as_root, give, names, owned, read, root_owned

TEXT = (ROOT / "docs/install.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
REPLACED = ("make", "systemctl", "docker", "scripts/debian-packages")
DEBIAN_UNITS = {"prometheus.service", "prometheus-alertmanager.service"}


class Machine:
    """A folder that stands for /, with a copy of the files that the commands read."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.repository = folder / "repository"
        self._calls = folder / "calls"
        self._programs = folder / "bin"
        self._programs.mkdir()
        for name in ("systemd/system", "sysusers.d", "tmpfiles.d", "prometheus", "default"):
            (self.root / "etc" / name).mkdir(parents=True)
        # Debian's file.
        (self.root / "etc/default/prometheus").write_text('# Arguments\nARGS=""\n')
        (self.root / "etc/passwd").write_text("prometheus:x:998:998::/:/usr/sbin/nologin\n")
        (self.root / "etc/group").write_text("prometheus:x:998:\n")
        # systemd-tmpfiles makes no file of root in another user's folder.
        give(self.root)
        for name in ("deploy", "rules", "scripts"):
            ignore = shutil.ignore_patterns("secrets")
            shutil.copytree(ROOT / name, self.repository / name, ignore=ignore)
        for name in REPLACED:
            program = self._programs / Path(name).name
            program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self._calls}"\n')
            program.chmod(0o755)

    def run(self, block: str) -> None:
        """Runs the commands as root, with `root` in place of /."""
        script = re.sub(r"(?<![\w.])/(etc|var)/", rf"{self.root}/\1/", block)
        script = re.sub(r"^(systemd-\w+)", rf"\1 --root={self.root}", script, flags=re.MULTILINE)
        script = re.sub(r"^scripts/", "", script, flags=re.MULTILINE)
        # Names of users are those of the other root.
        for line in (self.root / "etc/passwd").read_text().splitlines():
            name, _, uid, *_ = line.split(":")
            script = re.sub(rf"(chown|-g) {name} ", rf"\1 {uid} ", script)
        environment = {"PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = as_root("sh", "-eu", text=script, cwd=self.repository, env=environment)
        assert done.returncode == 0, (script, done.stdout, done.stderr)

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of each call of a replaced program."""
        lines = self._calls.read_text().splitlines()
        return [line.split()[1:] for line in lines if line.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """After every command of the document."""
    assert set(re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)) == {"sh", ""}
    assert len(BLOCKS) >= 7
    with root_owned(tmp_path_factory.mktemp("machine")) as folder:
        machine = Machine(folder)
        for block in BLOCKS:
            machine.run(block)
        yield machine


def test_make_targets_exist(installed: Machine) -> None:
    targets = {argument for call in installed.calls("make") for argument in call}
    assert {"demo", "run", ".venv/.run"} <= targets
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, env=environment, check=True, capture_output=True
    )


def test_started_units_are_installed(installed: Machine) -> None:
    arguments = {argument for call in installed.calls("systemctl") for argument in call}
    units = {argument for argument in arguments if argument.endswith(".service")}
    assert "session-end-exporter.service" in units
    for unit in units - DEBIAN_UNITS:
        assert (installed.root / "etc/systemd/system" / unit).exists(), unit
    packages = [name for call in installed.calls("scripts/debian-packages") for name in call]
    assert units & DEBIAN_UNITS <= {f"{name}.service" for name in packages}


def test_tokens_are_readable_only_by_the_service_user(installed: Machine) -> None:
    passwd = (installed.root / "etc/passwd").read_text()
    (uid,) = re.findall(r"^session-end-exporter:\w*:(\d+):", passwd, re.MULTILINE)
    (tokens,) = owned(installed.root / "etc/session-end-exporter/ingest-tokens").values()
    assert (tokens.uid, tokens.mode) == (int(uid), 0o400)


def test_written_settings_are_valid_with_the_written_tokens(installed: Machine) -> None:
    text = read(installed.root / "etc/session-end-exporter/environment")
    variables = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    assert len(variables) == 2
    done = as_root(sys.executable, "-m", "exporter", "check", cwd=ROOT, env=variables)
    assert (done.returncode, done.stderr) == (0, "")


def test_prometheus_keeps_exemplars(installed: Machine) -> None:
    """Once, also when the commands run again for an update."""
    (block,) = (block for block in BLOCKS if "exemplar-storage" in block)
    installed.run(block)
    arguments = read(installed.root / "etc/default/prometheus")
    assert arguments == '# Arguments\nARGS="--enable-feature=exemplar-storage "\n'


def test_compose_secrets_belong_to_the_users_of_the_containers(installed: Machine) -> None:
    files = owned(*names(installed.repository / "deploy/compose/secrets"))
    assert {name: file.uid for name, file in files.items()} == {
        "ingest-tokens": 10001,
        "grafana-admin": 472,
        "slack-page": 65534,
        "slack-ticket": 65534,
    }
    assert {file.mode for file in files.values()} == {0o400}


def test_files_given_to_docker_exist(installed: Machine) -> None:
    calls = installed.calls("docker")
    assert {call[0] for call in calls} == {"compose", "build"}
    for call in calls:
        folder = ROOT / "deploy/compose" if call[0] == "compose" else ROOT
        files = [name for flag, name in pairwise(call) if flag == "-f"]
        assert all((folder / name).exists() for name in files), call
