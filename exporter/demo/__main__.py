"""`python -m exporter.demo`, which `make demo` runs."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import httpx
import typer

from exporter.demo.outage import run
from exporter.errors import ConfigError


def main(
    once: Annotated[
        bool, typer.Option("--once", help="Exit when the notification is resolved.")
    ] = False,
    homepath: Annotated[
        Path | None, typer.Option("--homepath", help="Home path of a Grafana that is not on PATH.")
    ] = None,
) -> None:
    """Run an outage with exporter, Prometheus and Alertmanager on loopback, until Ctrl-C."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        run(once=once, homepath=homepath)
    except KeyboardInterrupt:
        print("Stopped: all programs of the demo have exited.")
    except (ConfigError, OSError, httpx.HTTPError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


typer.run(main)
