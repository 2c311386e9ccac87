"""`codes`."""

from typing import Annotated

import typer

from exporter.commands.options import Config, Folders, taxonomy_folders


def codes(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", help="a code, a system, or words to search"),
    ] = None,
    config: Config = None,
    taxonomy: Folders = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Explain a code: its meaning, its owner and what to do.

    `codes` lists all codes, `codes softdrive` those of a system, `codes 4001` or `codes softdrive 08`
    explains a code, and `codes timeout` searches. Exits with 1 when no code matches.
    """
    from rich.console import Console

    from exporter.lookup.page import as_json
    from exporter.lookup.search import search
    from exporter.lookup.show import show
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(taxonomy_folders(config, taxonomy))
    words = query or []
    if json:
        matches = search(loaded, words)
        typer.echo(as_json(matches))
        raise typer.Exit(0 if matches else 1)
    if not show(Console(), loaded, words):
        raise typer.Exit(1)
