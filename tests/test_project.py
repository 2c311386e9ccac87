"""The packaging: Makefile, lock files, continuous integration, and what must not be committed."""

import ast
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exporter

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUN = [*PROJECT["project"]["dependencies"], *EXTRAS["backtest"], *EXTRAS["redis"]]
LOCKS = {
    "requirements.lock": RUN,
    "requirements-build.lock": [
        *PROJECT["dependency-groups"]["build"],
        *PROJECT["build-system"]["requires"],
    ],
    "requirements-test.lock": [
        *RUN,
        *PROJECT["project"]["optional-dependencies"]["dashboards"],
        *PROJECT["dependency-groups"]["test"],
    ],
}
# Written in pieces, so that this file is not the one that names them.
REGISTRIES = re.compile(
    r"py[p]i\.|python[h]osted|npmj[s]\.|artifact-?regis[t]ry|artifac[t]ory|--(?:extra-)?inde[x]-url\b",
    re.IGNORECASE,
)
HOMES = re.compile(r"/hom[e]/\w+/|/User[s]/\w+/|/roo[t]/")


def pins(lock: str) -> dict[str, list[str]]:
    """The versions that a lock file gives for each name: two when they depend on the Python."""
    found: dict[str, list[str]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!]+)", text, re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def committed() -> list[Path]:
    """Every file under version control (all that is not a tool's folder, in an unpacked archive)."""
    if (ROOT / ".git").exists():
        # Continuous integration often checks out as somebody else, which git refuses to read.
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        ignored = {".venv", "build", "dist", "data", "__pycache__"}
        ignored |= {f".{tool}_cache" for tool in ("pytest", "mypy", "ruff")}
        paths = [path for path in ROOT.rglob("*") if not ignored & set(path.parts)]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def offenders(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in committed()
        if (found := pattern.search(path.read_text(encoding="utf-8", errors="replace")))
    ]


def make(*arguments: str, cwd: Path = ROOT) -> str:
    # Under `make test` the outer make's flags must not reach this one.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", *arguments], cwd=cwd, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    listed = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", make(), re.MULTILINE))
    assert set(listed) == set(phony[1].split())
    assert {"run", "test", "check", "bench", "faults", "lock", "clean", "help"} <= set(listed)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A checkout in which everything is installed, as far as make can see."""
    inputs = ("Makefile", "pyproject.toml", "exporter/__init__.py", *LOCKS)
    stamps = (".venv/bin/pip", ".venv/.run", ".venv/.test")
    for age, name in enumerate((*inputs, *stamps)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in stamps:
            path.touch()
        else:
            shutil.copy(ROOT / name, path)
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    return tmp_path


def test_a_second_make_run_starts_the_exporter_and_nothing_else(installed: Path) -> None:
    plan = make("--dry-run", "run", "ARGS=--ops 127.0.0.1:9999", cwd=installed)
    assert plan.split("\n") == [
        "exec .venv/bin/session-end-exporter serve --ops 127.0.0.1:9999",
        "",
    ]


@pytest.mark.parametrize(
    "changed",
    ["requirements.lock", "requirements-build.lock", "pyproject.toml", "exporter/__init__.py"],
)
def test_make_run_installs_again_when_what_it_installs_changed(
    installed: Path, changed: str
) -> None:
    (installed / changed).touch()
    plan = make("--dry-run", "run", cwd=installed)
    assert "--require-hashes -r requirements.lock -r requirements-build.lock" in plan


def test_make_test_installs_again_when_the_tests_requirements_changed(installed: Path) -> None:
    assert "--require-hashes" not in make("--dry-run", ".venv/.test", cwd=installed)
    (installed / "requirements-test.lock").touch()
    plan = make("--dry-run", ".venv/.test", cwd=installed)
    assert "--require-hashes -r requirements-test.lock" in plan


def test_make_test_runs_the_checks_and_then_every_test(installed: Path) -> None:
    plan = make("--dry-run", "test", "PYTEST_ARGS=-k ledger", cwd=installed)
    steps = ("ruff check", "ruff format --check", "mypy --strict", "-m pytest")
    places = [plan.index(step) for step in steps]
    assert places == sorted(places)
    assert plan.rstrip().endswith("-k ledger")


def run_debian_packages(
    folder: Path, *packages: str, user: int
) -> subprocess.CompletedProcess[str]:
    """`scripts/debian-packages` on a machine that has only git, and whose commands are told on."""
    commands = {
        "dpkg-query": 'case "$4" in git) echo "install ok installed";; *) exit 1;; esac',
        "dpkg": "echo /lib/systemd/system/prometheus.service",
        "id": f"echo {user}",
        "sudo": "exit 1",
        "apt-get": f'echo "offline=$SYSTEMD_OFFLINE apt-get $*" >>"{folder}/done"',
        "systemctl": f'echo "systemctl $*" >>"{folder}/done"',
    }
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [ROOT / "scripts/debian-packages", *packages],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_only_missing_debian_packages_are_installed_and_no_service_starts(tmp_path: Path) -> None:
    result = run_debian_packages(tmp_path, "git", "prometheus", user=0)
    assert result.returncode == 0, result.stderr
    update, install, disable = (tmp_path / "done").read_text(encoding="utf-8").splitlines()
    assert update.endswith("update")
    assert install.startswith("offline=1 ")
    assert install.endswith("install --no-install-recommends prometheus")
    assert disable == "systemctl --quiet disable prometheus.service"


def test_nothing_is_asked_of_apt_when_no_debian_package_is_missing(tmp_path: Path) -> None:
    assert run_debian_packages(tmp_path, "git", user=1000).returncode == 0
    assert not (tmp_path / "done").exists()


def test_without_root_the_message_says_what_to_install(tmp_path: Path) -> None:
    result = run_debian_packages(tmp_path, "git", "prometheus", "strace", user=1000)
    assert result.returncode == 1
    assert "apt-get install --no-install-recommends prometheus strace\n" in result.stderr
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_carries_a_hash(lock: str) -> None:
    text = re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    shape = re.compile(r"[\w.-]+==[\w.+!]+ (; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not shape.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_no_address_and_says_how_it_is_made(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "make lock" in text.splitlines()[1]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_declared_dependency_is_locked_at_a_version_it_allows(lock: str) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, LOCKS[lock]):
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not in {lock}: make lock"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: make lock"


def test_every_package_that_the_exporter_imports_is_declared() -> None:
    imported: set[str] = set()
    for path in (ROOT / "exporter").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"exporter"}
    declared = {canonicalize_name(Requirement(line).name) for line in LOCKS["requirements.lock"]}
    providers = metadata.packages_distributions()
    assert {
        module
        for module in foreign
        if not declared & {canonicalize_name(name) for name in providers.get(module, [])}
    } == set()


def test_the_tests_run_against_the_very_versions_that_make_run_installs() -> None:
    tested = pins("requirements-test.lock")
    assert {name: tested.get(name) for name in pins("requirements.lock")} == pins(
        "requirements.lock"
    )


def test_continuous_integration_only_calls_make_test() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text(encoding="utf-8").splitlines() == [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        'cd "$(dirname "${BASH_SOURCE[0]}")/.."',
        "exec make test",
    ]


def test_no_test_is_left_out_where_something_is_missing() -> None:
    """One that is left out looks like one that holds, and `make test` installs what it needs."""
    marks = re.compile(r"\b(?:pytest|mark|unittest)\.(?:ski[p]|xfai[l]|importorski[p])")
    found = [
        path for path in (ROOT / "tests").rglob("*.py") if marks.search(path.read_text("utf-8"))
    ]
    assert found == []


def test_no_committed_file_names_a_package_registry() -> None:
    assert offenders(REGISTRIES) == []


def test_no_committed_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert offenders(HOMES) == []
    if len(ROOT.parts) > 2:  # a checkout in /app says nothing about a file that names /app
        assert offenders(re.compile(re.escape(str(ROOT)) + r"\b")) == []


def test_the_installed_version_is_the_packages_own() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert "version" not in PROJECT["project"]
    assert metadata.version("session-end-exporter") == exporter.__version__


def test_the_changelog_has_a_section_for_what_is_unreleased() -> None:
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert sections[0] == "[Unreleased]"
