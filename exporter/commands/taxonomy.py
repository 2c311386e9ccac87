from typing import Annotated

import typer

from exporter.commands.options import Config, Folders, taxonomy_folders


def codes(
    query: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUERY", hidden=True),
    ] = None,
    config: Config = None,
    taxonomy: Folders = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Explain a code: its meaning, its owner and what to do.

    QUERY is a code, a system, or words to search. Without it, all codes are listed. Exits with 1 when no
    code matches.

    \b
    Examples:
      session-end-exporter codes 4001           explain a code
      session-end-exporter codes softdrive 08   explain a code of one system
      session-end-exporter codes softdrive      list the codes of a system
      session-end-exporter codes timeout        search
    """
    from rich.console import Console

    from exporter.lookup.facts import as_json
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
