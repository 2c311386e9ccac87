"""Root's rights, for tests that mount a disk or give files to other users; whoever runs them."""

import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Owned(NamedTuple):
    """Whose a file is, and the bits of its mode."""

    uid: int
    gid: int
    mode: int


class NotRoot(AssertionError):
    """Nothing here can be done as root: a failure, because a test that is left out looks like one that
    holds."""


@cache
def _prefix() -> tuple[str, ...]:
    """What is put before a command: nothing for root, else sudo, with which the tests' packages are installed
    too."""
    if os.geteuid() == 0:
        return ()
    try:
        done = subprocess.run(["sudo", "-n", "true"], capture_output=True, text=True, check=False)
        said = done.stderr.strip()
    except FileNotFoundError:
        said = "there is no sudo"
    else:
        if done.returncode == 0:
            return ("sudo", "-n")
    raise NotRoot(f"this needs root, or sudo without a password: {said}")


def as_root(
    *command: str | Path,
    text: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as root, with `env` besides the variables that sudo leaves. Raises `NotRoot`."""
    # Root's byte code in the repository could not be removed by who runs the tests.
    variables = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    return subprocess.run(
        [
            *(*_prefix(), "env", *(f"{name}={value}" for name, value in variables.items())),
            *map(str, command),
        ],
        input=text,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def owned(*paths: Path) -> dict[str, Owned]:
    """By the last part of their names; also of files in folders that are closed to who runs the tests."""
    done = as_root("stat", "--format=%u %g %a %n", *paths)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        uid, gid, mode, name = line.split(" ", 3)
        found[Path(name).name] = Owned(int(uid), int(gid), int(mode, 8))
    return found


def names(folder: Path) -> list[Path]:
    """What is in a folder that may be closed."""
    done = as_root("find", folder, "-mindepth", "1", "-maxdepth", "1")
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]


def read(path: Path) -> str:
    done = as_root("cat", path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def give(folder: Path, uid: int = 0, gid: int = 0) -> None:
    """Give a folder and all in it to root, or to somebody else."""
    done = as_root("chown", "-R", f"{uid}:{gid}", folder)
    assert done.returncode == 0, done.stderr
