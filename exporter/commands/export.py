from pathlib import Path
from typing import Annotated

import typer

from exporter.export import SETS
from exporter.export import export as write


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
