"""`python -m exporter.demo`, which is what `make demo` runs."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from exporter.demo.screen import Screen
from exporter.demo.story import tell
from exporter.errors import ConfigError
from exporter.send.connection import Undelivered


def main(
    once: Annotated[
        bool, typer.Option("--once", help="end when the incident's notification is resolved")
    ] = False,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="for ledger, samples and logs")
    ] = Path("build/demo"),
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="of the simulated traffic")] = 1,
) -> None:
    """An outage from its first event to the page and its end: exporter, Prometheus and Alertmanager.

    Everything is on loopback, and ends with Ctrl-C.
    """
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    screen = Screen(Console())
    try:
        tell(folder, screen, once=once, seed=seed)
    except KeyboardInterrupt:
        screen.say("ended: no program of the demo runs any more")
    except (ConfigError, Undelivered, OSError, ValueError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise typer.Exit(1) from None


typer.run(main)
