import math
from pathlib import Path
from typing import Annotated

import typer

from exporter.commands.options import Columns, EventFiles, Format, TokenFile


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
    columns: Columns = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="send lines as FILE (NDJSON) grows, and continue there after a restart"
        ),
    ] = False,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="events per request")] = 500,
    max_wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="retry a request this long, then give up; "
            "default: 300, unlimited for a pipe and with --follow",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print errors only")] = False,
    json: Annotated[
        bool,
        typer.Option("--json", help="print the summary as JSON, messages to standard error"),
    ] = False,
) -> None:
    """Send events from files to the exporter.

    FILE is JSON, NDJSON or CSV, also gzip-compressed; - is standard input.

    Retries while the exporter is unavailable. Running the same command again counts no event twice within
    the exporter's deduplication window (by default 24 h and 1,000,000 events). Lines from standard input are
    sent as they arrive; for a pipe, retries have no time limit.

    \b
    Exit codes:
      0  all events are counted
      1  some events are rejected or skipped; the output lists them
      2  some events are not delivered; run the command again

    \b
    Examples:
      session-end-exporter send yesterday.csv more.json.gz
      session-end-exporter send --column code=error_code export.csv
      journalctl -f -o cat -u app | session-end-exporter send --format ndjson -
      session-end-exporter send --follow /var/log/app/ends.ndjson
    """
    from rich.console import Console

    from exporter.send.command import send as deliver
    from exporter.send.options import Options
    from exporter.send.sources import is_stream

    if max_wait is None:
        # Giving up would lose the events that were read from a pipe.
        max_wait = math.inf if follow or is_stream(files) else 300
    options = Options(
        url=url,
        token_file=token_file,
        ca_file=ca_file,
        batch=batch,
        format=format_,
        columns=columns or (),
        follow=follow,
        max_wait=max_wait,
        quiet=quiet,
        json=json,
    )
    raise typer.Exit(deliver(files, options, Console(stderr=json)).exit_code)
