"""Writes shipped files into a folder of the user: all files of a set, or none."""

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from exporter.errors import ConfigError
from exporter.shipped import shipped

_PACKAGE: Final = Path(__file__).parent
_MOST_NAMED: Final = 10
"""Most files that a message names."""
_TEMPORARY: Final = ".session-end-exporter-"


class _Part(NamedTuple):
    """The files below `source` that match a pattern, for the folder `target` of the export."""

    source: Path
    pattern: str
    target: str = ""
    loaded: bool = False  # a program loads every such file in the folder


class FileSet(NamedTuple):
    """Files that are exported together. `about` and `use` are texts of the help."""

    about: str
    use: str
    parts: tuple[_Part, ...]


SETS: Final = {
    "rules": FileSet(
        "Write the recording and alerting rules of Prometheus.",
        "Prometheus reads the files that `rule_files` of its configuration names.",
        (_Part(shipped("rules"), "*.yml", loaded=True),),
    ),
    "prometheus": FileSet(
        "Write a prometheus.yml for the exporter, with the rules.",
        "The first lines of prometheus.yml show the command that starts Prometheus.",
        (
            _Part(shipped("deploy/prometheus"), "*.yml"),
            _Part(shipped("rules"), "*.yml", "rules", loaded=True),
        ),
    ),
    "alertmanager": FileSet(
        "Write Alertmanager's configuration, receivers and templates.",
        "DIR is the directory of Alertmanager's configuration. The first lines of alertmanager.yml list the "
        "next steps.",
        (
            _Part(shipped("deploy/alertmanager"), "*.yml"),
            _Part(shipped("deploy/alertmanager/templates"), "*.tmpl", "templates", loaded=True),
        ),
    ),
    "templates": FileSet(
        "Write Alertmanager's templates alone, for an update.",
        "DIR is the directory `templates` beside your alertmanager.yml, which is not changed.",
        (_Part(shipped("deploy/alertmanager/templates"), "*.tmpl", loaded=True),),
    ),
    "dashboards": FileSet(
        "Write the Grafana dashboards, JSON.",
        "With the files of `export grafana`, DIR is /var/lib/grafana/dashboards/session-ends.",
        (_Part(shipped("dashboards"), "*.json", loaded=True),),
    ),
    "grafana": FileSet(
        "Write Grafana's provisioning of dashboards and data source.",
        "DIR is /etc/grafana/provisioning. Set Grafana's variable PROMETHEUS_URL to the URL of Prometheus.",
        (_Part(shipped("deploy/grafana/provisioning"), "*/*.yaml", loaded=True),),
    ),
    "runbooks": FileSet(
        "Write the runbooks of codes and alerts, Markdown.",
        "To change the runbook of a code, put its file into runbooks/SYSTEM/ of a taxonomy directory: the "
        "exporter then serves your file instead of its own.",
        (_Part(shipped("rules/runbooks"), "**/*.md"),),
    ),
    "collector": FileSet(
        "Write the script for browsers, and its types.",
        "For a site that serves the script itself, instead of loading it from the exporter.",
        (_Part(_PACKAGE / "collector", "*.*"),),
    ),
    "schemas": FileSet(
        "Write JSON Schemas, with which editors check your files.",
        "The first line of a YAML file, and of a TOML file, names its schema:\n\n\b\n"
        "  # yaml-language-server: $schema=DIR/system.schema.json\n"
        "  #:schema DIR/settings.schema.json",
        (_Part(_PACKAGE / "schemas", "*.json"),),
    ),
}
"""The sets by name."""


def contents(name: str) -> dict[Path, bytes]:
    """The files of a set by their path in the export."""
    files = {}
    for source, pattern, target, _ in SETS[name].parts:
        for path in sorted(source.glob(pattern)):
            files[Path(target, path.relative_to(source))] = path.read_bytes()
    if name == "prometheus":
        # In the repository, the rules are in another folder.
        path = Path("prometheus.yml")
        files[path] = files[path].replace(b"../../rules/", b"rules/")
    return files


def export(name: str, folder: Path, *, overwrite: bool = False) -> tuple[int, int, list[str]]:
    """Write the files of a set into `folder`, which is created if it is missing.

    Returns how many files were written, how many had the right contents already, and a line for each further
    file that a program would load from the same folders.
    Raises `ConfigError` if a file can't be written, or exists with other contents and `overwrite` is false.
    """
    files = {folder / path: content for path, content in contents(name).items()}
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: not a directory; choose another DIR")
        # Not pipes or devices: reading them could wait forever.
        readable = [path for path in files if path.is_file() or path.is_dir()]
        existing = {path: path.read_bytes() for path in readable}
        new = {path: text for path, text in files.items() if existing.get(path) != text}
        changed = [path for path in new if os.path.lexists(path)]
        if changed and not overwrite:
            raise ConfigError(
                *_named(changed, "exists with other contents"),
                "nothing was written: add --force to replace these files, or choose another DIR",
            )
        _write(new)
    except OSError as error:
        place = str(error.filename or folder).partition(f"{os.sep}{_TEMPORARY}")[0]
        raise ConfigError(
            f"{place}: {error.strerror}. Nothing was written: choose a DIR in which you can write files"
        ) from None
    return len(new), len(files) - len(new), _others(name, folder, files)


def _named(paths: list[Path], text: str) -> list[str]:
    """A line for each path, up to a limit."""
    named = [f"{path}: {text}" for path in paths[:_MOST_NAMED]]
    if more := len(paths) - len(named):
        named.append(f"{more} more files: {text}")
    return named


def _others(name: str, folder: Path, files: Iterable[Path]) -> list[str]:
    """A line for each loaded file that is not in the set, such as a file of an older version."""
    parts = [part for part in SETS[name].parts if part.loaded]
    loaded = {path for part in parts for path in (folder / part.target).glob(part.pattern)}
    others = sorted(loaded.difference(files))
    return _named(
        others, "not a file of this version, kept; delete it if an older version wrote it"
    )


def _write(files: dict[Path, bytes]) -> None:
    """Write all files under temporary names, then rename them: a full disk changes no file."""
    with ExitStack() as stack:
        temporary = {}
        for parent in {path.parent for path in files}:
            parent.mkdir(parents=True, exist_ok=True)
            # Each folder may be on a disk of its own, and a file can't be renamed to another disk.
            directory = TemporaryDirectory(prefix=_TEMPORARY, dir=parent)
            temporary[parent] = Path(stack.enter_context(directory))
        for path, content in files.items():
            written = temporary[path.parent] / path.name
            written.write_bytes(content)
            if path.is_file() and not path.is_symlink():
                # A service that may read a file may also read its replacement, with any umask.
                status = path.stat()
                # Only root may give a file to another user.
                with suppress(OSError):
                    os.chown(written, status.st_uid, status.st_gid)
                written.chmod(status.st_mode & 0o777)
        for number, path in enumerate(files):
            try:
                (temporary[path.parent] / path.name).replace(path)
            except OSError as error:
                raise ConfigError(
                    f"{path}: can't be replaced: {error.strerror}. {number} of {len(files)} files were "
                    "written: choose another DIR"
                ) from None
