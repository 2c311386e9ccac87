"""`simulate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from exporter.commands.options import TokenFile


def simulate(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="post to this ingest listener")
    ] = None,
    openmetrics: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write counters for promtool; one file a day into a directory"
        ),
    ] = None,
    ndjson: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write events for send; - is standard output"),
    ] = None,
    system: Annotated[
        Literal["streampixel", "softdrive", "both"], typer.Option(help="whose sessions end")
    ] = "streampixel",
    ends_per_hour: Annotated[
        float, typer.Option(metavar="N", help="of each system, the mean of a week")
    ] = 1000,
    failing: Annotated[
        float | None,
        typer.Option(metavar="PART", help="of the usual ends, 0.0025 say; by default about 0.05"),
    ] = None,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="how long; 1 hour by default")
    ] = None,
    hours: Annotated[float | None, typer.Option(metavar="N", help="how long, in hours")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="how long: 90s, 45m, 6h, 2d")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="RFC 3339, or now; by default files end now, and posting begins on a Monday at 8",
        ),
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[@OFFSET]", help="capacity-large@10m; may be repeated"),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(metavar="N", help="simulated seconds in a second; 1 is real time, from now"),
    ] = 60,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="the same seed and start give the same events")
    ] = None,
    token_file: TokenFile = None,
    list_incidents: Annotated[
        bool, typer.Option("--list-incidents", help="print what can happen, and exit")
    ] = False,
) -> None:
    """Make realistic session ends and incidents, to try things with.

    Posts them as time goes by, sixty times as fast as in reality, or writes them to a file. Events that
    are posted in compressed time carry no time of their own: they happen when they arrive. Exits with 0
    at the end and after Ctrl-C, with 1 when events were rejected, with 2 when something is wrong.

    \b
    An hour within a minute, in which a third finds no worker from 10 m on:
      simulate --url http://127.0.0.1:10400 --incident capacity-large@10m
    Both systems in real time, until Ctrl-C:
      simulate --url http://127.0.0.1:10400 --system both --speed 1 --days 7
    A month with 20 incidents to find, for Prometheus:
      mkdir past; simulate --openmetrics past --incident standard
      for day in past/*; do
        promtool tsdb create-blocks-from openmetrics $day data/
      done
    """
    from rich.console import Console

    if list_incidents:
        from exporter.simulate.catalogue import catalogue

        typer.echo(catalogue())
        return
    from exporter.simulate.command import STDOUT
    from exporter.simulate.command import simulate as run
    from exporter.simulate.options import Options

    options = Options(
        url=url,
        openmetrics=openmetrics,
        ndjson=ndjson,
        system=system,
        ends_per_hour=ends_per_hour,
        failing=failing,
        days=days,
        hours=hours,
        duration=for_,
        start=start,
        incidents=incident or (),
        speed=speed,
        seed=seed,
        token_file=token_file,
    )
    raise typer.Exit(run(options, Console(stderr=STDOUT in (openmetrics, ndjson))))
