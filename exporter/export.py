"""Writes shipped files into a folder of the user: all files of a set, or none."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from exporter.errors import ConfigError
from exporter.shipped import shipped

_PACKAGE: Final = Path(__file__).parent
_MOST_NAMED: Final = 10
"""Files that an error names."""


class _Part(NamedTuple):
    """The files below `source` that match a pattern, for the folder `target` of the export."""

    source: Path
    pattern: str
    target: str = ""


class FileSet(NamedTuple):
    """Files that are exported together. `about` and `use` are texts of the help."""

    about: str
    use: str
    parts: tuple[_Part, ...]


SETS: Final = {
    "rules": FileSet(
        "Write the recording and alerting rules of Prometheus.",
        "Prometheus reads the files that `rule_files` of its configuration names.",
        (_Part(shipped("rules"), "*.yml"),),
    ),
    "prometheus": FileSet(
        "Write a prometheus.yml for the exporter, with the rules.",
        "The first lines of prometheus.yml have the command that runs it.",
        (_Part(shipped("deploy/prometheus"), "*.yml"), _Part(shipped("rules"), "*.yml", "rules")),
    ),
    "alertmanager": FileSet(
        "Write Alertmanager's configuration, receivers and templates.",
        "DIR is the directory of Alertmanager's configuration. The first lines of alertmanager.yml are the "
        "next steps.",
        (
            _Part(shipped("deploy/alertmanager"), "*.yml"),
            _Part(shipped("deploy/alertmanager/templates"), "*.tmpl", "templates"),
        ),
    ),
    "templates": FileSet(
        "Write Alertmanager's templates alone, for an update.",
        "DIR is the directory `templates` beside your alertmanager.yml, which stays.",
        (_Part(shipped("deploy/alertmanager/templates"), "*.tmpl"),),
    ),
    "dashboards": FileSet(
        "Write the Grafana dashboards, JSON.",
        "With the files of `export grafana`, DIR is /var/lib/grafana/dashboards/session-ends.",
        (_Part(shipped("dashboards"), "*.json"),),
    ),
    "grafana": FileSet(
        "Write Grafana's provisioning of dashboards and data source.",
        "DIR is /etc/grafana/provisioning. Set Grafana's variable PROMETHEUS_URL to the URL of Prometheus.",
        (_Part(shipped("deploy/grafana/provisioning"), "*/*.yaml"),),
    ),
    "runbooks": FileSet(
        "Write the runbooks of codes and alerts, Markdown.",
        "To change the runbook of a code, put its file into runbooks/SYSTEM/ of a taxonomy directory: the "
        "exporter serves it in place of its own.",
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


class Written(NamedTuple):
    """Numbers of files: written, and not written because they had these contents already."""

    written: int
    unchanged: int


def contents(name: str) -> dict[Path, bytes]:
    """The files of a set by their path in the export."""
    files = {}
    for source, pattern, target in SETS[name].parts:
        for path in sorted(source.glob(pattern)):
            files[Path(target, path.relative_to(source))] = path.read_bytes()
    if name == "prometheus":
        # The rules have another place in the repository.
        path = Path("prometheus.yml")
        files[path] = files[path].replace(b"../../rules/", b"rules/")
    return files


def export(name: str, folder: Path, *, overwrite: bool = False) -> Written:
    """Write the files of a set into `folder`, which is made if it is missing.

    Raises `ConfigError` if a file exists with other contents, unless `overwrite`, and if a file can't be
    written.
    """
    files = {folder / path: content for path, content in contents(name).items()}
    try:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: not a directory; choose another DIR")
        existing = {path: path.read_bytes() for path in files if path.exists()}
        new = {path: text for path, text in files.items() if existing.get(path) != text}
        changed = [path for path in new if path in existing]
        if changed and not overwrite:
            raise ConfigError(*_differences(changed))
        _write(new, folder)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder}: {error.strerror}. Nothing was written: choose a DIR in which "
            "you can write files"
        ) from None
    return Written(len(new), len(files) - len(new))


def _differences(changed: list[Path]) -> list[str]:
    named = [f"{path}: exists with other contents" for path in changed[:_MOST_NAMED]]
    if more := len(changed) - len(named):
        named.append(f"{more} more files exist with other contents")
    return [
        *named,
        "nothing was written: add --force to replace these files, or choose another DIR",
    ]


def _write(files: dict[Path, bytes], folder: Path) -> None:
    """Write all files before the first gets its name: a full disk changes no file."""
    with ExitStack() as stack:
        temporary = {}
        for parent in {folder, *(path.parent for path in files)}:
            parent.mkdir(parents=True, exist_ok=True)
            # Each folder may be on a disk of its own, and a file can't be renamed to another disk.
            directory = TemporaryDirectory(prefix=".session-end-exporter-", dir=parent)
            temporary[parent] = Path(stack.enter_context(directory))
        for path, content in files.items():
            (temporary[path.parent] / path.name).write_bytes(content)
        for number, path in enumerate(files):
            try:
                (temporary[path.parent] / path.name).replace(path)
            except OSError as error:
                raise ConfigError(
                    f"{path}: can't be replaced: {error.strerror}. {number} of {len(files)} files were "
                    "written: choose another DIR"
                ) from None
