"""docs/install.md without its server section, and the commands of docs/scale.md: they run with programs that
record their arguments.

tests/deploy/test_server.py runs the server section.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import exporter
from tests.deploy.test_compose import FORM, NODES, REPLICAS
from tests.deploy.test_containerfile import IMAGE, texts
from tests.deploy.test_docs import TEXTS, blocks, section
from tests.e2e.exporter_process import ROOT
from tests.programs import output
from tests.root import as_root, names, owned, root_owned

TEXT = (ROOT / "docs/install.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
REPLACED = ("make", "docker", "pipx", "uvx")


class Machine:
    """A copy of the files that the commands read, and programs in place of those that need a daemon."""

    def __init__(self, folder: Path) -> None:
        self.repository = folder / "repository"
        self._calls = folder / "calls"
        self._programs = folder / "bin"
        self._programs.mkdir()
        shutil.copytree(
            ROOT / "deploy", self.repository / "deploy", ignore=shutil.ignore_patterns("secrets")
        )
        for name in REPLACED:
            program = self._programs / name
            quote = f"{sys.executable} -c 'import shlex, sys; print(shlex.join(sys.argv[1:]))'"
            program.write_text(f'#!/bin/sh\n{quote} {name} "$@" >>"{self._calls}"\n')
            program.chmod(0o755)
        command = self._programs / "session-end-exporter"
        command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m exporter "$@"\n')
        command.chmod(0o755)

    def run(self, block: str) -> None:
        """Runs the commands as root."""
        environment = {"PATH": f"{self._programs}:{os.environ['PATH']}"}
        done = as_root("sh", "-eu", text=block, cwd=self.repository, env=environment)
        assert done.returncode == 0, (block, done.stdout, done.stderr)

    def calls(self, name: str) -> list[list[str]]:
        """The arguments of each call of a replaced program."""
        lines = self._calls.read_text().splitlines()
        return [shlex.split(line)[1:] for line in lines if line.startswith(f"{name} ")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine after all commands of the other sections."""
    assert set(re.findall(r"^```(\w*)$", TEXT, re.MULTILINE)) == {"sh", ""}
    named = {"A laptop", "A server", "Compose", "The container alone", "The Python package"}
    assert named <= {*SECTIONS}
    with root_owned(tmp_path_factory.mktemp("machine")) as folder:
        machine = Machine(folder)
        for title, section in SECTIONS.items():
            for block in blocks(section, "sh") if title != "A server" else ():
                machine.run(block)
        yield machine


def test_make_targets_exist(installed: Machine) -> None:
    targets = {argument for call in installed.calls("make") for argument in call}
    assert {"demo", "run"} <= targets
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    output("make", "--dry-run", *targets, cwd=ROOT, env=environment)


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


def test_wheel_is_named_as_a_release_names_it(installed: Machine) -> None:
    (pipx,) = installed.calls("pipx")
    (uvx,) = installed.calls("uvx")
    assert pipx == ["install", uvx[1]]
    assert uvx[0::2] == ["--from", "session-end-exporter", "4001"]
    requirement = Requirement(uvx[1])
    assert (requirement.name, requirement.extras) == ("session-end-exporter", {"all"})
    wheel = f"/session_end_exporter-{exporter.__version__}-py3-none-any.whl"
    assert requirement.url is not None
    assert requirement.url.endswith(wheel)


def test_commands_create_a_password_file_for_exporters_and_nodes(tmp_path: Path) -> None:
    (block,) = blocks(section(TEXTS["scale"], "Replicas over one ledger"), "sh")
    with root_owned(tmp_path):
        machine = Machine(tmp_path)
        secrets = machine.repository / "deploy" / "compose" / "secrets"
        secrets.mkdir()
        machine.run(block)
        password = owned(secrets / "ledger-password")["ledger-password"]
        (call,) = machine.calls("docker")
    users = {REPLICAS["services"][name]["user"] for name in (*NODES, FORM)}
    assert users == {f"{password.gid}:{password.gid}"}
    (user,) = texts("USER", IMAGE)
    assert user.startswith(f"{password.uid}:")
    assert password.mode == 0o440
    assert call[:3] == ["compose", "-f", "compose.replicas.yaml"]
