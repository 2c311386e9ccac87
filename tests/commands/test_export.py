"""`export`: the files of the repository, and no file after a mistake."""

import os
import re
from pathlib import Path

import pytest

from exporter.commands.export import SETS, contents
from tests.commands.running import call, errors
from tests.e2e.exporter_process import ROOT
from tests.programs import output

SOURCES = {
    "rules": "rules/*.yml",
    "alertmanager": "deploy/alertmanager/**/*.*",
    "templates": "deploy/alertmanager/templates/*",
    "dashboards": "dashboards/*.json",
    "grafana": "deploy/grafana/provisioning/**/*.*",
    "runbooks": "rules/runbooks/**/*.md",
    "collector": "exporter/collector/*",
    "schemas": "exporter/schemas/*.json",
}
"""The files of each set, in the repository."""
KEPT = "alertmanager.yml"


def tree(folder: Path) -> dict[str, bytes]:
    """Contents by path, also of hidden files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(*given: object) -> list[str]:
    return errors(call("export", *given))


@pytest.mark.parametrize("name", SOURCES)
def test_export_writes_the_files_of_the_repository(name: str, tmp_path: Path) -> None:
    pattern = SOURCES[name]
    base = ROOT / pattern.partition("*")[0]
    expected = {str(path.relative_to(base)): path.read_bytes() for path in ROOT.glob(pattern)}
    folder = tmp_path / "new" / "folder"
    shown = call("export", name, folder)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"Files written to {folder}: {len(expected)}; unchanged: 0\n"
    assert len(expected) > 1
    assert tree(folder) == expected


def test_every_set_is_tested() -> None:
    assert set(SETS) == {*SOURCES, "prometheus"}


def test_documented_commands_write_files(tmp_path: Path) -> None:
    text = "".join(page.read_text() for page in ROOT.glob("docs/*.md"))
    for number, line in enumerate(re.findall(r"session-end-exporter export (\w.*?)[`\n]", text)):
        name, folder, *flags = line.split()
        shown = call("export", name, f"{tmp_path}/{number}/{folder}", *flags)
        assert shown.returncode == 0, (line, shown.stderr)


def test_exported_prometheus_configuration_finds_its_rules(tmp_path: Path) -> None:
    assert call("export", "prometheus", tmp_path).returncode == 0
    rules = {f"rules/{path.name}" for path in ROOT.glob("rules/*.yml")}
    assert set(tree(tmp_path)) == {"prometheus.yml", *rules}
    checked = output("promtool", "check", "config", tmp_path / "prometheus.yml")
    assert "SUCCESS: 3 rule files found" in checked


@pytest.mark.parametrize("name", SETS)
def test_exported_files_name_no_path_of_the_repository(name: str) -> None:
    for path, content in contents(name).items():
        assert not re.findall(rb"deploy/|\.\./|repository", content), path


def test_changed_file_is_kept_unless_forced_and_other_files_stay(tmp_path: Path) -> None:
    call("export", "alertmanager", tmp_path)
    shipped = tree(tmp_path)
    assert call("export", "alertmanager", tmp_path).stdout == (
        f"Files written to {tmp_path}: 0; unchanged: {len(shipped)}\n"
    )
    (tmp_path / "other.yml").write_text("mine")
    (tmp_path / KEPT).write_text("mine")
    (tmp_path / "receivers.yml").unlink()
    before = tree(tmp_path)
    assert refused("alertmanager", tmp_path) == [
        f"{tmp_path}/{KEPT}: exists with other contents",
        "nothing was written: add --force to replace these files, or choose another DIR",
    ]
    assert tree(tmp_path) == before
    shown = call("export", "alertmanager", "--force", tmp_path)
    assert shown.stdout == f"Files written to {tmp_path}: 2; unchanged: {len(shipped) - 2}\n"
    assert tree(tmp_path) == {**shipped, "other.yml": b"mine"}


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/export", "long" * 100])
def test_folder_that_can_not_be_made_is_named_with_a_remedy(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (line,) = refused("rules", tmp_path / place)
    assert line.startswith(str(tmp_path / place.removesuffix("/below")))
    assert "choose" in line
    assert tree(tmp_path) == {"file": b"mine"}


def test_replaced_file_has_the_permissions_of_the_old_one(tmp_path: Path) -> None:
    """Prometheus can read the rules after an update by root with the umask 077."""
    path = tmp_path / "exporter.yml"
    path.write_text("mine")
    path.chmod(0o644)
    # Only root can give the file away.
    owner = (12345, 23456) if os.getuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    umask = os.umask(0o077)
    try:
        assert call("export", "rules", "--force", tmp_path).returncode == 0
    finally:
        os.umask(umask)
    status = path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (*owner, 0o644)


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / KEPT).mkdir()
    (line,) = refused("alertmanager", "--force", tmp_path)
    assert line.startswith(f"{tmp_path}/{KEPT}: Is a directory. Some files may be missing")
    assert tree(tmp_path) == {}
