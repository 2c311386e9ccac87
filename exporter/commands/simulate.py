from pathlib import Path
from typing import Annotated, Literal

import typer

from exporter.commands.options import TokenFile


def simulate(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="post events to this ingest listener")
    ] = None,
    ndjson: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write events as `send` reads them; - is standard output"
        ),
    ] = None,
    openmetrics: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="write series for promtool, one file per day"),
    ] = None,
    system: Annotated[
        Literal["streampixel", "softdrive", "both"], typer.Option(help="system to simulate")
    ] = "streampixel",
    ends_per_hour: Annotated[
        float, typer.Option(metavar="N", help="session ends per hour and system, on average")
    ] = 1000,
    failing: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="share of failures outside incidents, such as 0.0025"),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="simulated time: 90s, 45m, 6h or 2d; default: 1h"
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="start of the simulated time: 2026-01-05, or RFC 3339"),
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[@OFFSET]",
            help="add an incident, such as capacity-large@10m; may be repeated",
        ),
    ] = None,
    list_incidents: Annotated[
        bool, typer.Option("--list-incidents", help="list the incidents and exit")
    ] = False,
    speed: Annotated[
        float, typer.Option(metavar="N", help="simulated seconds per second of posting")
    ] = 60,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="same seed and start: same events; default: random"),
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Simulate session ends and incidents.

    Posts events to an exporter (--url), or writes events (--ndjson) or Prometheus series
    (--openmetrics). Posted events carry no time, so the exporter counts them on arrival. Ctrl-C ends
    posting.

    \b
    Exit codes:
      0  success
      1  some events are rejected
      2  wrong usage, or the delivery failed

    \b
    Simulate an hour in a minute; 33% of sessions fail from minute 10:
      session-end-exporter simulate --url http://127.0.0.1:10400 \\
        --incident capacity-large@10m
    Simulate both systems for a week in real time:
      session-end-exporter simulate --url http://127.0.0.1:10400 \\
        --system both --speed 1 --for 7d
    Load a month with two incidents into Prometheus:
      session-end-exporter simulate --openmetrics past --for 28d \\
        --incident capacity-large --incident stop
      for day in past/*; do
        promtool tsdb create-blocks-from openmetrics $day data/
      done
    """
    from exporter.simulate.command import STDOUT, incident_list
    from exporter.simulate.command import simulate as run
    from exporter.simulate.options import Options

    if list_incidents:
        typer.echo(incident_list())
        return
    options = Options(
        url=url,
        ndjson=ndjson,
        openmetrics=openmetrics,
        system=system,
        ends_per_hour=ends_per_hour,
        failing=failing,
        duration=for_,
        start=start,
        incidents=incident or (),
        speed=speed,
        seed=seed,
        token_file=token_file,
    )
    raise typer.Exit(
        run(options, typer.get_text_stream("stderr" if ndjson == STDOUT else "stdout"))
    )
