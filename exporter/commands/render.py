"""`render`."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.commands.folders import folders
from exporter.commands.options import Config, Folders, PolicyFile
from exporter.errors import ConfigError


def render(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="the folder that gets rules/ and deploy/")
    ] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="write nothing, print what would change, exit with 1")
    ] = False,
    config: Config = None,
    taxonomy: Folders = None,
    policy: PolicyFile = None,
    runbook_base_url: Annotated[
        str, typer.Option(metavar="URL", help="where alerts find runbooks: the ops listener")
    ] = "http://127.0.0.1:10401",
    dashboard_base_url: Annotated[
        str, typer.Option(metavar="URL", help="where alerts find dashboards: Grafana")
    ] = "http://127.0.0.1:3000",
) -> None:
    """Write the alerting rules for the taxonomies' systems.

    The same taxonomy and policy give the same bytes. Files that were rendered once and no longer belong
    are removed.
    """
    from exporter.policy.loader import load as load_policy
    from exporter.render import generate
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(folders(config, taxonomy))
    urls = runbook_base_url, dashboard_base_url
    if check:
        if mistakes := generate.check(loaded, load_policy(policy), out, *urls):
            raise ConfigError(*mistakes)
        return
    for line in generate.render(loaded, load_policy(policy), out, *urls):
        typer.echo(line)
