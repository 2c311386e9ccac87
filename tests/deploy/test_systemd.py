"""The unit: what systemd says of it, and that the sandbox has room for what the exporter does."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from exporter.settings import PREFIX, Settings
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.root import as_root, give, owned

FOLDER = ROOT / "deploy/systemd"
UNIT = FOLDER / "session-end-exporter.service"
COMMAND = "/opt/session-end-exporter/.venv/bin/session-end-exporter"
LIMIT = 2.0
"""Of systemd's exposure level, from 0 to 10; most of Debian's own services are between 8 and 9.6."""


def run(*command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], input=text, capture_output=True, text=True, check=False
    )


def unit_with(folder: Path, *changes: tuple[str, str]) -> Path:
    """A copy that names this installation's command, with other changes."""
    text = UNIT.read_text()
    for old, new in ((COMMAND, str(Path(sys.executable).with_name(UNIT.stem))), *changes):
        assert old in text, old
        text = text.replace(old, new)
    path = folder / UNIT.name
    path.write_text(text)
    return path


def exposure(unit: Path) -> float:
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    done = run("systemd-analyze", "verify", "--man=no", unit_with(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_level_of_the_unit_is_low(tmp_path: Path) -> None:
    assert exposure(UNIT) <= LIMIT
    bare = re.sub(
        r"^(Protect|Private|Restrict|Capability|SystemCall|NoNew|User).*\n",
        "",
        UNIT.read_text(),
        flags=re.MULTILINE,
    )
    (tmp_path / UNIT.name).write_text(bare)
    assert exposure(tmp_path / UNIT.name) > LIMIT


def directives(name: str) -> list[str]:
    """The values of a directive, line by line."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@cache
def members(group: str) -> frozenset[str]:
    """The system calls of one of systemd's groups, and of the groups in it."""
    found: set[str] = set()
    for line in run("systemd-analyze", "syscall-filter", group).stdout.splitlines()[1:]:
        name = line.strip()
        if name.startswith("@"):
            found |= members(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return frozenset(found)


def allowed() -> set[str]:
    found: set[str] = set()
    for line in directives("SystemCallFilter"):
        names = line.lstrip("~").split()
        assert all(name.startswith("@") for name in names)
        calls = {call for name in names for call in members(name)}
        found = found - calls if line.startswith("~") else found | calls
    # systemd allows the call that gives a program its own memory and files before the first line of it.
    found |= members("@default") | {"execve"}
    # SQLite gives its files to the database's owner when it runs as root, and the service does not.
    return found | {"fchown"} if os.geteuid() == 0 else found


def test_sandbox_permits_everything_the_exporter_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced from its start over events, a scrape and pages to SIGTERM: system calls, socket families,
    and memory that is writable and executable. Fails with `@resources` in the filter's second line, which
    has a call of numpy's, and without AF_UNIX, which systemd's socket needs."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    strace = ("strace", "-f", "-qq", "-o", str(trace))
    settings = {"shutdown_timeout": 5}
    exporter = ExporterProcess(tmp_path / "data", wrapper=strace, settings=settings)
    with exporter:
        assert exporter.post({"id": "a", "system": "streampixel", "code": 4001}).status == 200
        for path in ("/metrics", "/-/ready", "/", "/codes/streampixel/4001", "/docs"):
            assert exporter.request("ops", "GET", path).status == 200, path
        exporter.stop_traced()
    lines = trace.read_text(errors="replace").splitlines()
    calls = {found[1] for line in lines if (found := re.match(r"\d+\s+(\w+)\(", line))}
    assert {"fdatasync", "bind", "accept4"} <= calls
    assert len(allowed()) > 200
    assert calls - allowed() == set()

    families = {found[1] for line in lines if (found := re.search(r" socket\((\w+)", line))}
    (permitted,) = directives("RestrictAddressFamilies")
    assert "AF_UNIX" in families
    assert families <= set(permitted.split())

    assert directives("MemoryDenyWriteExecute") == ["yes"]
    assert [line for line in lines if "PROT_WRITE|PROT_EXEC" in line] == []


def test_unit_waits_for_readiness_and_restarts_without_limit() -> None:
    assert directives("Type") == ["notify"]
    (watchdog,) = directives("WatchdogSec")
    assert 10 <= int(watchdog) <= 60
    assert directives("Restart") == ["on-failure"]
    assert directives("StartLimitIntervalSec") == ["0"]


def test_memory_limit_is_the_same_in_every_deployment() -> None:
    compose = [
        yaml.safe_load((ROOT / "deploy/compose" / name).read_text())["services"]
        for name in ("compose.yaml", "compose.replicas.yaml")
    ]
    stateful_set = yaml.safe_load(
        (ROOT / "deploy/kubernetes/base/statefulset.yaml").read_text(encoding="utf-8")
    )
    (container,) = stateful_set["spec"]["template"]["spec"]["containers"]
    limits = [
        *directives("MemoryMax"),
        container["resources"]["limits"]["memory"],
        *(
            service["mem_limit"]
            for services in compose
            for name, service in services.items()
            if name.startswith("exporter")
        ),
    ]
    assert len(limits) == 6
    assert {limit.lower().removesuffix("i") for limit in limits} == {"512m"}


def test_stop_timeout_exceeds_the_shutdown_timeout() -> None:
    (seconds,) = directives("TimeoutStopSec")
    assert int(seconds) > 2 * Settings.model_fields["shutdown_timeout"].default


def test_ledger_is_in_the_only_writable_folder() -> None:
    environment = dict(line.split("=", 1) for line in directives("Environment"))
    (state,) = directives("StateDirectory")
    assert environment == {f"{PREFIX}DATA_DIR": f"/var/lib/{state}"}
    assert directives("ProtectSystem") == ["strict"]
    assert directives("ReadWritePaths") == []


def test_commented_settings_of_the_environment_file_are_valid(
    tmp_path: Path,
) -> None:
    lines = re.findall(r"^#(\w+)=(.*)$", (FOLDER / "environment").read_text(), re.MULTILINE)
    assert len(lines) >= 3
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o600)
    given = {name: str(tokens) if name.endswith("TOKEN_FILE") else value for name, value in lines}
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "check"],
        env={**os.environ, **given},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_user_and_settings_folder_are_created_for_the_unit(
    root_folder: Path,
) -> None:
    """By the real programs, in a root of their own."""
    root = root_folder / "root"
    config = root / "etc/session-end-exporter"
    config.mkdir(parents=True)
    shutil.copy(FOLDER / "environment", config)
    give(root)
    for program, file, flags in (
        ("systemd-sysusers", "sysusers", ()),
        ("systemd-tmpfiles", "tmpfiles", ("--create",)),
    ):
        text = (FOLDER / f"session-end-exporter.{file}.conf").read_text()
        done = as_root(program, f"--root={root}", *flags, "-", text=text)
        assert done.returncode == 0, done.stderr
    (user,) = (root / "etc/passwd").read_text().splitlines()
    name, _, uid, gid, _, home, shell = user.split(":")
    assert directives("User") == directives("Group") == [name]
    assert shell.endswith("nologin")
    assert home == f"/var/lib/{directives('StateDirectory')[0]}"
    assert uid != "0"
    assert owned(config, config / "environment") == {
        config.name: (0, int(gid), 0o750),
        "environment": (0, int(gid), 0o640),
    }
