"""`export`: the files of the repository, and no file after a mistake."""

import os
import re
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from exporter.export import SETS, contents
from tests.commands.running import arguments, call, environment, errors
from tests.e2e.exporter_process import ROOT
from tests.programs import finished, output
from tests.root import output_as_root

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


def test_error_names_at_most_10_changed_files(tmp_path: Path) -> None:
    call("export", "runbooks", tmp_path)
    changed = list(tmp_path.rglob("*.md"))
    for path in changed:
        path.write_text("mine")
    lines = refused("runbooks", tmp_path)
    assert len(lines) == 12
    assert lines[-2] == f"{len(changed) - 10} more files: exists with other contents"


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/export", "long" * 100])
def test_folder_that_can_not_be_made_is_named_with_a_remedy(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (line,) = refused("rules", tmp_path / place)
    assert line.startswith(str(tmp_path / place.removesuffix("/below")))
    assert "choose" in line
    assert tree(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        *(("rules", "old.yml"), ("prometheus", "rules/old.yml"), ("dashboards", "old.json")),
        *(("templates", "old.tmpl"), ("alertmanager", "templates/old.tmpl")),
        ("grafana", "dashboards/old.yaml"),
    ],
)
def test_file_of_an_older_version_is_named(name: str, file: str, tmp_path: Path) -> None:
    """Prometheus would load the old file in addition to the new files."""
    old = tmp_path / file
    for path in (old, old.with_suffix(".txt")):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert call("export", name, tmp_path).stdout.splitlines()[1:] == [
        f"{old}: not a file of this version, kept; delete it if an older version wrote it"
    ]


def test_pipes_and_links_without_target_are_kept_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "baseline.yml")
    (tmp_path / "exporter.yml").symlink_to("missing")
    (tmp_path / "session-ends.yml").symlink_to("/dev/zero")
    assert len(refused("rules", tmp_path)) == 4
    assert call("export", "rules", "--force", tmp_path).returncode == 0
    assert tree(tmp_path) == {str(path): content for path, content in contents("rules").items()}


def test_replaced_file_has_the_permissions_of_the_old_one_and_not_of_a_link(tmp_path: Path) -> None:
    """Prometheus can read the rules after an update by root with the umask 077."""
    path, target, link = (tmp_path / name for name in ("exporter.yml", "target", "baseline.yml"))
    for file in (path, target):
        file.write_text("mine")
        file.chmod(0o644)
    link.symlink_to(target)
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
    assert (link.is_symlink(), link.stat().st_mode & 0o777) == (False, 0o600)
    assert target.read_text() == "mine"


def test_read_only_folder_is_named_unless_it_has_the_files(tmp_path: Path) -> None:
    call("export", "rules", tmp_path)
    output_as_root("mount", "--bind", "-o", "ro", tmp_path, tmp_path)
    try:
        shown = call("export", "rules", tmp_path)
        (line,) = refused("templates", tmp_path)
    finally:
        output_as_root("umount", tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert line.startswith(f"{tmp_path}: Read-only file system. Nothing was written: ")


def test_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / KEPT).mkdir()
    (line,) = refused("alertmanager", "--force", tmp_path)
    assert line.startswith(f"{tmp_path}/{KEPT}: Is a directory. Nothing was written: ")
    assert tree(tmp_path) == {}


def test_full_disk_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    """The first files are smaller than the limit of a file's size, the last file is larger."""
    *first, last = sorted((ROOT / "rules").glob("*.yml"))
    limit = last.stat().st_size - 1
    assert all(path.stat().st_size < limit for path in first)
    (tmp_path / first[0].name).write_text("mine")
    done = finished(
        *arguments("export", "rules", "--force", tmp_path),
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    (line,) = errors(done)
    assert line.startswith(f"{tmp_path}: File too large. Nothing was written: ")
    assert tree(tmp_path) == {first[0].name: b"mine"}


def test_folders_of_an_export_may_be_on_different_disks(tmp_path: Path) -> None:
    """Fails if one temporary directory has the files of all folders."""
    with TemporaryDirectory(dir="/dev/shm") as other:
        assert Path(other).stat().st_dev != tmp_path.stat().st_dev
        (tmp_path / "rules").symlink_to(other)
        assert call("export", "prometheus", tmp_path).returncode == 0
        assert len(tree(Path(other))) == 3


def test_file_that_can_not_be_replaced_is_named_with_the_number_written(tmp_path: Path) -> None:
    """For example in a container where a single file is a mount."""
    mount = tmp_path / "receivers.yml"
    mount.write_text("mine")
    output_as_root("mount", "--bind", mount, mount)
    try:
        lines = refused("alertmanager", "--force", tmp_path)
    finally:
        output_as_root("umount", mount)
    assert lines == [
        f"{mount}: can't be replaced: Device or resource busy. 1 of 6 files were written: choose "
        "another DIR"
    ]
    assert set(tree(tmp_path)) == {KEPT, mount.name}
