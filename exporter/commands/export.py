"""`export`, which writes shipped files into a folder of the user."""

from pathlib import Path
from typing import Annotated, Final

import typer

from exporter.errors import ConfigError
from exporter.shipped import shipped

_PACKAGE: Final = Path(__file__).parents[1]

SETS: Final[dict[str, tuple[tuple[Path, str], ...]]] = {
    "rules": ((shipped("rules"), "*.yml"),),
    "prometheus": ((shipped("deploy/prometheus"), "*.yml"), (shipped("."), "rules/*.yml")),
    "alertmanager": (
        (shipped("deploy/alertmanager"), "*.yml"),
        (shipped("deploy/alertmanager"), "templates/*.tmpl"),
    ),
    "templates": ((shipped("deploy/alertmanager/templates"), "*.tmpl"),),
    "dashboards": ((shipped("dashboards"), "*.json"),),
    "grafana": ((shipped("deploy/grafana/provisioning"), "*/*.yaml"),),
    "runbooks": ((shipped("rules/runbooks"), "**/*.md"),),
    "collector": ((_PACKAGE / "collector", "*.*"),),
    "schemas": ((_PACKAGE / "schemas", "*.json"),),
}
"""Files that are exported together, by name: folders, and the pattern of the files in each."""


def export(
    name: Annotated[str, typer.Argument(metavar="SET", hidden=True)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", hidden=True)],
    force: Annotated[
        bool, typer.Option("--force", help="replace files that have other contents")
    ] = False,
) -> None:
    """Write rules, dashboards and other files of this version.

    \b
    SET is one of:
      rules         recording and alerting rules of Prometheus
      prometheus    a prometheus.yml for the exporter, with the rules
      alertmanager  Alertmanager's configuration, receivers and templates
      templates     Alertmanager's templates alone, for an update
      dashboards    the Grafana dashboards, JSON
      grafana       Grafana's provisioning of dashboards and data source
      runbooks      the runbooks of codes and alerts, Markdown
      collector     the script for browsers, and its types
      schemas       JSON Schemas, with which editors check your files

    Makes DIR if it is missing. If a file exists with other contents, nothing is written; --force replaces
    such files. Keeps other files, also those of an older version. Exits with 1 after an error.

    \b
    Examples:
      session-end-exporter export rules /etc/prometheus/rules
      session-end-exporter export alertmanager .
    """
    if name not in SETS:
        raise typer.BadParameter(f"SET must be one of {', '.join(SETS)}")
    written, unchanged = write(name, folder, overwrite=force)
    typer.echo(f"Files written to {folder}: {written}; unchanged: {unchanged}")


def contents(name: str) -> dict[Path, bytes]:
    """The files of a set by their path in the export."""
    files = {
        path.relative_to(source): path.read_bytes()
        for source, pattern in SETS[name]
        for path in sorted(source.glob(pattern))
    }
    if name == "prometheus":
        # In the repository, the rules are in another folder.
        path = Path("prometheus.yml")
        files[path] = files[path].replace(b"../../rules/", b"rules/")
    return files


def write(name: str, folder: Path, *, overwrite: bool = False) -> tuple[int, int]:
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
