"""Commands as root, for tests that mount a disk or change the owner of files."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Owned(NamedTuple):
    """Owner and mode of a file."""

    uid: int
    gid: int
    mode: int


class NotRoot(AssertionError):
    """No command can run as root. The test fails, because a skipped test would look like a passed one."""


@cache
def _prefix() -> tuple[str, ...]:
    """Nothing for root, otherwise sudo, which `make test` also needs to install packages."""
    if os.geteuid() == 0:
        return ()
    try:
        done = subprocess.run(["sudo", "-n", "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotRoot("this needs root, or sudo without a password: there is no sudo") from None
    if done.returncode:
        raise NotRoot(f"this needs root, or sudo without a password: {done.stderr.strip()}")
    return ("sudo", "-n")


def as_root(
    *command: str | Path,
    text: str = "",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as root, with `env` besides the variables that sudo keeps. Raises `NotRoot`."""
    # The user of the tests could not delete byte code written by root.
    variables = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        [*_prefix(), "env", *assignments, *map(str, command)],
        input=text,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def output_as_root(*command: str | Path) -> str:
    """The output of a command that must succeed."""
    done = as_root(*command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def owned(*paths: Path) -> dict[str, Owned]:
    """Owners and modes of files by base name, also in folders that only root can read."""
    owners = {}
    for line in output_as_root("stat", "--format=%u %g %a %n", *paths).splitlines():
        uid, gid, mode, name = line.split(" ", 3)
        owners[Path(name).name] = Owned(int(uid), int(gid), int(mode, 8))
    return owners


def names(folder: Path) -> list[Path]:
    """The names of the files in a folder that possibly only root can read."""
    listed = output_as_root("find", folder, "-mindepth", "1", "-maxdepth", "1")
    return [Path(line) for line in listed.splitlines()]


def read(path: Path) -> str:
    return output_as_root("cat", path)


def give(folder: Path, uid: int = 0, gid: int = 0) -> None:
    """Change the owner of a folder and its content."""
    output_as_root("chown", "-R", f"{uid}:{gid}", folder)


@contextmanager
def root_owned(folder: Path) -> Iterator[Path]:
    """A folder in which root creates files of other users; at the end the user of the tests can delete it."""
    try:
        yield folder
    finally:
        give(folder, os.getuid(), os.getgid())
