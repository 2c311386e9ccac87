"""The source distribution and the wheel: equal bytes for equal files.

test_containerfile.py installs the wheel.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

import exporter
from tests.e2e.exporter_process import ROOT
from tests.programs import output
from tests.test_project import committed

NAME = f"session_end_exporter-{exporter.__version__}"
SHARED = (
    "rules/",
    "dashboards/session-",
    "deploy/alertmanager/",
    "deploy/grafana/",
    "deploy/prometheus/",
)
"""Beginnings of the paths of files that the wheel contains in exporter/share."""
JUNK = (
    *("exporter/__pycache__/cli.cpython-311.pyc", "rules/__pycache__/rules.pyc"),
    *("deploy/compose/secrets/ingest-tokens", "data/ledger.db", "build/old.whl", "notes.txt"),
)
"""Files that a checkout may contain in addition to the committed files."""


class Built(NamedTuple):
    sdist: Path
    wheel: Path


def build(source: Path, folder: Path, *, umask: int = 0o022, **variables: str) -> Built:
    """Both distributions of the files in `source`."""
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    command = (sys.executable, "-m", "hatchling", "build", "--directory", folder)
    output(*command, cwd=source, env={**environment, **variables}, umask=umask)
    return Built(folder / f"{NAME}.tar.gz", folder / f"{NAME}-py3-none-any.whl")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the committed files, and some that must not be distributed."""
    folder = tmp_path_factory.mktemp("checkout")
    for path in committed():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for name in JUNK:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not for others")
    return folder


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(checkout, tmp_path_factory.mktemp("dist"))


def test_wheel_has_the_files_that_users_need_and_no_others(built: Built) -> None:
    expected = {}
    for path in committed():
        name = str(path.relative_to(ROOT))
        if name.startswith(("exporter/", *SHARED)):
            place = name if name.startswith("exporter/") else f"exporter/share/{name}"
            expected[place] = path.read_bytes()
    information = f"{NAME}.dist-info"
    with ZipFile(built.wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    metadata = {name for name in files if name.startswith(f"{information}/")}
    assert metadata == {
        f"{information}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert {name: files[name] for name in set(files) - metadata} == expected


def test_source_distribution_has_no_file_that_is_not_committed(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        files = {member.name.removeprefix(f"{NAME}/") for member in archive if member.isfile()}
    assert files - {"PKG-INFO"} <= {str(path.relative_to(ROOT)) for path in committed()}


def test_source_distribution_builds_the_same_bytes_on_another_day(
    built: Built, tmp_path: Path
) -> None:
    """The second build also has another umask, time zone, language and order of sets."""
    # Not with tarfile: Python 3.11.2 of Debian 12 lacks its filters.
    subprocess.run(["tar", "-xf", built.sdist, "-C", tmp_path], check=True)
    source = tmp_path / NAME
    for number, path in enumerate(sorted(source.rglob("*"), reverse=True)):
        path.chmod(0o700 if path.is_dir() else 0o600)
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
    variables = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    again = build(source, tmp_path / "dist", umask=0o077, **variables)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()
