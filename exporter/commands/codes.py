"""`codes`."""

from typing import Annotated

import typer

from exporter.commands.options import Config, Folders, taxonomy_folders


def codes(
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="a code, a system, or words")
    ] = None,
    config: Config = None,
    taxonomy: Folders = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """What a code means, who acts, and what to do.

    `codes` prints the table, `codes softdrive` one system's, `codes 4001` and `codes softdrive 08` a
    code, `codes timeout` searches. Exits with 1 when nothing is found.
    """
    from rich.console import Console

    from exporter.lookup.page import as_json
    from exporter.lookup.search import search
    from exporter.lookup.show import show
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(taxonomy_folders(config, taxonomy))
    words = query or []
    if json:
        found = search(loaded, words)
        typer.echo(as_json(found))
        raise typer.Exit(0 if found else 1)
    if not show(Console(), loaded, words):
        raise typer.Exit(1)
