"""`backtest`."""

from importlib.util import find_spec
from typing import Annotated

import typer

from exporter.commands.options import EventFiles, Folders, Format, RulesDir


def backtest(
    files: EventFiles,
    system: Annotated[
        str | None, typer.Option(metavar="NAME", help="count this system's events only")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="report from here on: 2026-01-05, or RFC 3339"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="report until here; the rules see all")
    ] = None,
    taxonomy: Folders = None,
    rules: RulesDir = None,
    format_: Format = None,
    json: Annotated[
        bool, typer.Option("--json", help="print the alerts as JSON, the rest on stderr")
    ] = False,
) -> None:
    """What the alerts would have done with the events of files.

    Reads what `send` reads, counts each event once, and runs the rules over the counts: what would have
    paged and when, the pager's load, and which codes are noisy. Nothing is posted. Exits with 0 when
    there is a report, with 1 when a file can't be read, has no end with a time, or is no rule file that
    can be evaluated here, with 2 when an option is wrong.

    \b
    Last month, before the rules are installed:
      backtest october.ndjson.gz
    With rules of your own, the last week of it:
      backtest october.ndjson.gz --rules mine --since 2026-10-25
    How many pages were there?
      backtest a.csv --json | jq 'map(select(.labels.severity=="page")) | length'
    """
    from rich.console import Console

    from exporter.errors import ConfigError

    if find_spec("promql_parser") is None:
        raise ConfigError(
            "backtest needs the package promql-parser: pip install 'session-end-exporter[backtest]'"
        )
    from exporter.backtest.command import backtest as replay
    from exporter.backtest.options import Options

    options = Options(
        taxonomy=tuple(taxonomy or ()),
        rules=rules,
        system=system,
        format=format_,
        since=since,
        until=until,
        json=json,
    )
    raise typer.Exit(replay(files, options, Console(), Console(stderr=True)))
