"""`python -m exporter.demo`, which `make demo` runs."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from exporter.demo.outage import run
from exporter.errors import ConfigError
from exporter.send.connection import Undelivered


def main(
    once: Annotated[
        bool, typer.Option("--once", help="Exit when the notification is resolved.")
    ] = False,
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Ledger, samples and logs.")] = Path(
        "build/demo"
    ),
) -> None:
    """Run an outage with exporter, Prometheus and Alertmanager, and log what happens.

    Everything listens on loopback only and stops with Ctrl-C.
    """
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        run(folder, once=once)
    except KeyboardInterrupt:
        print("Stopped: all programs of the demo have exited.")
    except (ConfigError, Undelivered, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


typer.run(main)
