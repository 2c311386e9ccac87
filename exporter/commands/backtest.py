"""`backtest`."""

from typing import Annotated

import typer

from exporter.commands.options import EventFiles, Folders, Format, PolicyFile


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
    policy: PolicyFile = None,
    format_: Format = None,
    json: Annotated[
        bool, typer.Option("--json", help="print the alerts as JSON, the rest on stderr")
    ] = False,
) -> None:
    """What the alerts would have done with the events of files.

    Reads what `send` reads, counts each event once, and runs the rules over the counts: what would have
    paged and when, the pager's load, and which codes are noisy. Nothing is posted. Exits with 0 when
    there is a report, with 1 when a file can't be read or has no end with a time, with 2 when an option
    is wrong.

    \b
    Last month, before the rules are installed:
      backtest october.ndjson.gz
    With thresholds of your own, the last week of it:
      backtest october.ndjson.gz --policy mine.yaml --since 2026-10-25
    How many pages were there?
      backtest *.csv --json | jq '[.[] | select(.severity == "page")] | length'
    """
    from rich.console import Console

    from exporter.backtest.command import backtest as replay
    from exporter.backtest.options import Options

    options = Options(
        taxonomy=tuple(taxonomy or ()),
        policy=policy,
        system=system,
        format=format_,
        since=since,
        until=until,
        json=json,
    )
    raise typer.Exit(replay(files, options, Console(), Console(stderr=True)))
