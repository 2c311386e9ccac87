"""Writes shipped files into a folder of the user."""

from pathlib import Path
from typing import Final, NamedTuple

from exporter.errors import ConfigError
from exporter.shipped import shipped

_PACKAGE: Final = Path(__file__).parent


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
        "The first lines of prometheus.yml show the command that starts Prometheus.",
        (
            _Part(shipped("deploy/prometheus"), "*.yml"),
            _Part(shipped("rules"), "*.yml", "rules"),
        ),
    ),
    "alertmanager": FileSet(
        "Write Alertmanager's configuration, receivers and templates.",
        "DIR is the directory of Alertmanager's configuration. The first lines of alertmanager.yml list the "
        "next steps.",
        (
            _Part(shipped("deploy/alertmanager"), "*.yml"),
            _Part(shipped("deploy/alertmanager/templates"), "*.tmpl", "templates"),
        ),
    ),
    "templates": FileSet(
        "Write Alertmanager's templates alone, for an update.",
        "DIR is the directory `templates` beside your alertmanager.yml, which is not changed.",
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
    for source, pattern, target in SETS[name].parts:
        for path in sorted(source.glob(pattern)):
            files[Path(target, path.relative_to(source))] = path.read_bytes()
    if name == "prometheus":
        # In the repository, the rules are in another folder.
        path = Path("prometheus.yml")
        files[path] = files[path].replace(b"../../rules/", b"rules/")
    return files


def export(name: str, folder: Path, *, overwrite: bool = False) -> tuple[int, int]:
    """Write the files of a set into `folder`, which is created if it is missing.

    Returns how many files were written, and how many had the right contents already.
    Raises `ConfigError` if a file can't be written, or exists with other contents and `overwrite` is false.
    """
    files = {folder / path: content for path, content in contents(name).items()}
    try:
        existing = {path: path.read_bytes() for path in files if path.exists()}
        new = {path: content for path, content in files.items() if existing.get(path) != content}
        if changed := [path for path in new if path in existing and not overwrite]:
            raise ConfigError(
                *(f"{path}: exists with other contents" for path in changed),
                "nothing was written: add --force to replace these files, or choose another DIR",
            )
        for path, content in new.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not a new file under the same name: Prometheus may read the old one as its owner or group.
            path.write_bytes(content)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder}: {error.strerror}. Some files may be missing or incomplete: "
            "correct the error and repeat the command with --force, or choose another DIR"
        ) from None
    return len(new), len(files) - len(new)
