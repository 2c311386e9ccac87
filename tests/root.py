"""Commands as root, for tests that mount a disk or change the owner of files."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.programs import finished, output


class Owned(NamedTuple):
    """Owner and mode of a file."""

    uid: int
    gid: int
    mode: int


@cache
def _prefix() -> tuple[str, ...]:
    """Nothing for root, otherwise sudo, which `make test` also needs to install packages.

    Without sudo the test fails: a skipped test would look like a passed one.
    """
    if os.geteuid() == 0:
        return ()
    output("sudo", "-n", "true")
    return ("sudo", "-n")


def as_root(
    *command: str | Path, text: str = "", cwd: Path | None = None, env: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run a command as root, with `env` besides the variables that sudo keeps."""
    # The user of the tests could not delete byte code written by root.
    variables = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **env}
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return finished(*_prefix(), "env", *assignments, *command, input=text, cwd=cwd)


def output_as_root(*command: str | Path) -> str:
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
