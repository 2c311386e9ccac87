"""deploy/systemd: systemd accepts the unit, and its sandbox permits everything that the exporter does."""

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest

from exporter.settings import PREFIX, Settings
from tests.commands.running import run
from tests.deploy.test_compose import REPLICAS, SINGLE
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.programs import finished, output
from tests.root import as_root, give, owned, root_owned

FOLDER = ROOT / "deploy/systemd"
UNIT = FOLDER / "session-end-exporter.service"
COMMAND = "/opt/session-end-exporter/.venv/bin/session-end-exporter"


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert COMMAND in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace(COMMAND, str(Path(sys.executable).with_name(UNIT.stem))))
    done = finished("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_exposure_level_of_the_unit_is_low() -> None:
    """By systemd's measure, 0 to 10; most services of Debian have 8 to 9.6."""
    printed = output("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", printed)
    assert float(level) <= 2


def directives(name: str) -> list[str]:
    """The values of a directive, line by line."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


@cache
def members(group: str) -> frozenset[str]:
    """The system calls of one of systemd's groups, and of the groups in it."""
    lines = output("systemd-analyze", "syscall-filter", group).splitlines()[1:]
    entries = {line.strip() for line in lines if line.strip() and not line.strip().startswith("#")}
    groups = {entry for entry in entries if entry.startswith("@")}
    return frozenset(entries - groups).union(*map(members, groups))


def allowed() -> set[str]:
    calls: set[str] = set()
    for line in directives("SystemCallFilter"):
        groups = {call for group in line.lstrip("~").split() for call in members(group)}
        calls = calls - groups if line.startswith("~") else calls | groups
    # systemd allows the calls with which it starts a program.
    calls |= members("@default") | {"execve"}
    # As root, SQLite gives its files to the database's owner; the service does not run as root.
    return calls | {"fchown"} if os.geteuid() == 0 else calls


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
    calls = {match[1] for line in lines if (match := re.match(r"\d+\s+(\w+)\(", line))}
    assert {"fdatasync", "bind", "accept4"} <= calls
    assert len(allowed()) > 200
    assert calls - allowed() == set()

    families = {match[1] for line in lines if (match := re.search(r" socket\((\w+)", line))}
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
    for stack in (SINGLE, REPLICAS):
        assert stack["services"]["exporter"]["mem_limit"] == "512m"
    stateful_set = (ROOT / "deploy/kubernetes/base/statefulset.yaml").read_text(encoding="utf-8")
    assert "limits:\n              memory: 512Mi\n" in stateful_set
    assert directives("MemoryMax") == ["512M"]


def test_stop_timeout_exceeds_the_shutdown_timeout() -> None:
    (seconds,) = directives("TimeoutStopSec")
    assert int(seconds) > 2 * Settings.model_fields["shutdown_timeout"].default


def test_ledger_is_in_the_only_writable_folder() -> None:
    environment = dict(line.split("=", 1) for line in directives("Environment"))
    (state,) = directives("StateDirectory")
    assert environment == {f"{PREFIX}DATA_DIR": f"/var/lib/{state}"}
    assert directives("ProtectSystem") == ["strict"]
    assert directives("ReadWritePaths") == []


def test_commented_settings_of_the_environment_file_are_valid(tmp_path: Path) -> None:
    lines = re.findall(r"^#(\w+)=(.*)$", (FOLDER / "environment").read_text(), re.MULTILINE)
    assert len(lines) >= 3
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o600)
    given = {name: str(tokens) if name.endswith("TOKEN_FILE") else value for name, value in lines}
    done = run("check", **given)
    assert done.returncode == 0
    # Another program may use the default ports.
    assert [line for line in done.stderr.splitlines() if "the port is in use" not in line] == []


def test_user_and_settings_folder_are_created_for_the_unit(tmp_path: Path) -> None:
    """The real programs create them, in a root folder of their own."""
    root = tmp_path / "root"
    config = root / "etc/session-end-exporter"
    config.mkdir(parents=True)
    shutil.copy(FOLDER / "environment", config)
    with root_owned(tmp_path):
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
        assert owned(config, config / "environment") == {
            config.name: (0, int(gid), 0o750),
            "environment": (0, int(gid), 0o640),
        }
    assert directives("User") == directives("Group") == [name]
    assert shell.endswith("nologin")
    assert home == f"/var/lib/{directives('StateDirectory')[0]}"
    assert uid != "0"
