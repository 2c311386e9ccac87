"""`send`."""

from pathlib import Path
from typing import Annotated

import typer

from exporter.commands.options import EventFiles, Format, TokenFile


def send(
    files: EventFiles,
    url: Annotated[
        str, typer.Option(metavar="URL", help="the ingest listener")
    ] = "http://127.0.0.1:10400",
    token_file: TokenFile = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="certificates to trust, PEM")
    ] = None,
    format_: Format = None,
    batch: Annotated[int, typer.Option(metavar="N", help="events in a request")] = 500,
    max_wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="without progress, then give up")
    ] = 300,
    quiet: Annotated[bool, typer.Option("--quiet", help="print mistakes only")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="print the summary as JSON, the rest on stderr")
    ] = False,
) -> None:
    """Post events from files; safe to run again.

    Retries while the exporter is away, and what was counted is not counted again. Exits with 0 when all
    are counted, with 1 when some were rejected or skipped and repeating won't help, with 2 when not
    all were delivered: run it again.
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
