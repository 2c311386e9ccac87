"""Packaging: Makefile, lock files, continuous integration, and text that must not be committed."""

import ast
import os
import re
import shutil
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.programs import finished, output

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
RUN = [*PROJECT["project"]["dependencies"], *EXTRAS["backtest"], *EXTRAS["redis"]]
"""Dependencies of an installation with the extra `all`."""
LOCKS = {
    "requirements.lock": RUN,
    "requirements-build.lock": [
        *PROJECT["dependency-groups"]["build"],
        *PROJECT["build-system"]["requires"],
    ],
    "requirements-test.lock": [*RUN, *PROJECT["dependency-groups"]["test"]],
}
# The brackets keep the patterns from matching this file.
REGISTRIES = re.compile(
    r"py[p]i\.|python[h]osted|npmj[s]\.|artifact-?regis[t]ry|artifac[t]ory|--(?:extra-)?inde[x]-url\b",
    re.IGNORECASE,
)
HOMES = re.compile(r"/hom[e]/\w+/|/User[s]/\w+/|/roo[t]/")


def pins(lock: str) -> dict[str, list[str]]:
    """The versions of each package in a lock file; two if the version depends on that of Python."""
    versions: dict[str, list[str]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!]+)", text, re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def committed() -> list[Path]:
    """Every file under version control; in an unpacked archive, every file outside of tools' folders."""
    if (ROOT / ".git").exists():
        # Continuous integration may check out as another user, whose repository git refuses to read.
        listed = output("git", "-c", "safe.directory=*", "ls-files", "-z", cwd=ROOT)
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        ignored = {".venv", "build", "dist", "data", "__pycache__", ".hypothesis"}
        ignored |= {f".{tool}_cache" for tool in ("pytest", "mypy", "ruff")}
        paths = [path for path in ROOT.rglob("*") if not ignored & set(path.parts)]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def make(*arguments: str, cwd: Path = ROOT) -> str:
    # The flags of an outer `make test` must not reach this make.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return output("make", *arguments, cwd=cwd, env=environment)


def test_make_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    assert set(re.findall(r"^  make ([\w-]+) +\S", make(), re.MULTILINE)) == set(phony[1].split())


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A checkout in which, according to make's stamps, everything is installed."""
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
    python = tmp_path / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return tmp_path


def test_make_run_only_starts_the_exporter_and_make_test_runs_checks_first(installed: Path) -> None:
    plan = make("--dry-run", "run", "ARGS=--ops 127.0.0.1:9999", cwd=installed)
    assert plan == "exec .venv/bin/session-end-exporter serve --ops 127.0.0.1:9999\n"
    plan = make("--dry-run", "test", "PYTEST_ARGS=-k ledger", cwd=installed)
    steps = ("ruff check", "ruff format --check", "mypy --strict", "-m pytest")
    places = [plan.index(step) for step in steps]
    assert places == sorted(places)
    assert plan.rstrip().endswith("-k ledger")


@pytest.mark.parametrize("changed", ["pyproject.toml", "exporter/__init__.py", *LOCKS])
def test_make_installs_again_after_a_change(installed: Path, changed: str) -> None:
    target, locks = "run", "requirements.lock -r requirements-build.lock"
    if changed == "requirements-test.lock":
        target, locks = ".venv/.test", changed
    assert "--require-hashes" not in make("--dry-run", target, cwd=installed)
    (installed / changed).touch()
    assert f"--require-hashes -r {locks}" in make("--dry-run", target, cwd=installed)


@pytest.mark.parametrize("target", ["/no/such/python3", "/bin/false"], ids=["gone", "without pip"])
def test_make_creates_the_environment_again_when_its_python_is_gone(
    installed: Path, target: str
) -> None:
    python = installed / ".venv/bin/python"
    assert "venv --clear" not in make("--dry-run", "run", cwd=installed)
    python.unlink()
    python.symlink_to(target)
    plan = make("--dry-run", "run", cwd=installed)
    places = [plan.index(step) for step in ("venv --clear", "--require-hashes", "serve")]
    assert places == sorted(places)


def debian_packages(folder: Path, *packages: str, user: int) -> tuple[int, str, list[str]]:
    """Run `scripts/debian-packages` on a system that has only git.

    Returns the exit code, standard error and the commands that change the system.
    """
    done = folder / "done"
    commands = {
        "dpkg-query": 'case "$4" in git) echo "install ok installed";; *) exit 1;; esac',
        "dpkg": "echo /lib/systemd/system/prometheus.service",
        "id": f"echo {user}",
        "sudo": "exit 1",
        "apt-get": f'echo "offline=$SYSTEMD_OFFLINE apt-get $*" >>"{done}"',
        "systemctl": f'echo "systemctl $*" >>"{done}"',
    }
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    result = finished(ROOT / "scripts/debian-packages", *packages, env=path)
    lines = done.read_text(encoding="utf-8").splitlines() if done.exists() else []
    return result.returncode, result.stderr, lines


def test_missing_debian_packages_are_installed_and_start_no_service(tmp_path: Path) -> None:
    code, errors, commands = debian_packages(tmp_path, "git", "prometheus", user=0)
    assert code == 0, errors
    update, install, disable = commands
    assert update.endswith("update")
    assert install.startswith("offline=1 ")
    assert install.endswith("install --no-install-recommends prometheus")
    assert disable == "systemctl --quiet disable prometheus.service"


def test_apt_is_called_only_for_missing_packages_and_by_root(tmp_path: Path) -> None:
    assert debian_packages(tmp_path, "git", user=1000) == (0, "", [])
    code, errors, commands = debian_packages(tmp_path, "git", "prometheus", "strace", user=1000)
    assert (code, commands) == (1, [])
    assert "apt-get install --no-install-recommends prometheus strace\n" in errors


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_has_hashes_its_command_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "make lock" in text.splitlines()[1]
    text = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    shape = re.compile(r"[\w.-]+==[\w.+!]+ (; [^-]+)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [entry for entry in entries if not shape.fullmatch(entry)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_declared_dependencies_are_locked_at_allowed_versions(lock: str) -> None:
    locked = pins(lock)
    for requirement in map(Requirement, LOCKS[lock]):
        versions = locked.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not in {lock}: make lock"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement}: make lock"


def test_extra_all_has_every_extra() -> None:
    (line,) = EXTRAS["all"]
    extra = Requirement(line)
    assert extra.name == PROJECT["project"]["name"]
    assert extra.extras | {"all"} == set(EXTRAS)


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """The names that each package or module directly in exporter/ imports, also within functions."""
    names: dict[str, set[str]] = {}
    for path in (ROOT / "exporter").rglob("*.py"):
        package = names.setdefault(
            path.relative_to(ROOT / "exporter").with_suffix("").parts[0], set()
        )
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                package |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                package |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_packages_import_each_other_without_a_cycle(imports: dict[str, set[str]]) -> None:
    """Fails with the cycle in its message."""
    packages = {
        package: {name.split(".")[1] for name in names if name.startswith("exporter.")} - {package}
        for package, names in imports.items()
    }
    assert packages["ingest"] >= {"ledger", "taxonomy"}
    TopologicalSorter(packages).prepare()


def test_imported_packages_are_declared(imports: dict[str, set[str]]) -> None:
    imported = {name.partition(".")[0] for names in imports.values() for name in names}
    foreign = imported - sys.stdlib_module_names - {"exporter"}
    declared = {canonicalize_name(Requirement(line).name) for line in LOCKS["requirements.lock"]}
    providers = metadata.packages_distributions()
    assert {
        module
        for module in foreign
        if not declared & {canonicalize_name(name) for name in providers.get(module, [])}
    } == set()


def test_tests_use_the_versions_of_make_run() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()


def test_continuous_integration_calls_make_test() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").endswith("\nexec make test\n")


def test_no_test_is_skipped() -> None:
    """A skipped test would look like a passed one, and `make test` installs what tests need."""
    marks = re.compile(r"\b(?:pytest|mark|unittest)\.(?:ski[p]|xfai[l]|importorski[p])")
    tests = (ROOT / "tests").rglob("*.py")
    assert [path for path in tests if marks.search(path.read_text("utf-8"))] == []


def test_committed_files_name_no_package_registry_and_no_path_of_a_developers_machine() -> None:
    # A short path, such as /app, may also be named for other reasons.
    here = [re.compile(re.escape(str(ROOT)) + r"\b")] if len(ROOT.parts) > 2 else []
    offenders = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in committed()
        for pattern in (REGISTRIES, HOMES, *here)
        if (match := pattern.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert offenders == []


def test_changelog_has_an_unreleased_section() -> None:
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert sections[0] == "[Unreleased]"
