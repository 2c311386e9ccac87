"""`send`."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.commands.options import EventFiles, Format, TokenFile


def send(
    files: EventFiles,
    url: Annotated[
        str, typer.Option(metavar="URL", help="the exporter's ingest listener")
    ] = "http://127.0.0.1:10400",
    token_file: TokenFile = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CA certificates to trust for https, PEM"),
    ] = None,
    format_: Format = None,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="events per request")] = 500,
    max_wait: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="retry a request this long, then give up"),
    ] = 300,
    quiet: Annotated[bool, typer.Option("--quiet", help="print errors only")] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="print the summary as JSON, messages to standard error"),
    ] = False,
) -> None:
    """Send events from files to the exporter.

    Retries while the exporter is unavailable. Running the same command again is safe: no event is
    counted twice.

    \b
    Exit codes:
      0  all events are counted
      1  some events are invalid; sending again does not help
      2  some events are not delivered; run the command again

    \b
    Examples:
      session-end-exporter send yesterday.csv more.json.gz
      journalctl -o cat -u app | session-end-exporter send -
    """
    from rich.console import Console

    from exporter.send.command import send as deliver
    from exporter.send.options import Options

    options = Options(
        url=url,
        token_file=token_file,
        ca_file=ca_file,
        batch=batch,
        format=format_,
        max_wait=max_wait,
        quiet=quiet,
        json=json,
    )
    raise typer.Exit(deliver(files, options, Console(stderr=json)).exit_code)
