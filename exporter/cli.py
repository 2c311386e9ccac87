"""The console script."""

import errno
import os
import sys
from typing import Annotated

import typer

from exporter import __version__, logs, streams
from exporter.commands.backtest import backtest
from exporter.commands.backup import backup
from exporter.commands.export import export
from exporter.commands.page import send_test_page
from exporter.commands.send import send
from exporter.commands.serve import check, serve
from exporter.commands.simulate import simulate
from exporter.commands.taxonomy import beacon_key, codes
from exporter.errors import ConfigError, LedgerBroken, LedgerError

app = typer.Typer(
    name="session-end-exporter",
    help="Counts the ends of streaming sessions exactly once and exports them to Prometheus.\n\n"
    "`serve` runs the exporter. `export` writes the files for Prometheus, Alertmanager and Grafana. "
    "COMMAND --help shows examples.",
    no_args_is_help=True,
    # Plain help: boxes show Python's types, and break with grep or in a narrow terminal.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# In the order of `--help`.
for command in (serve, check, backup, codes, send, simulate, backtest, beacon_key, export):
    app.command()(command)
app.command("test-page")(send_test_page)


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
) -> None:
    if version:
        typer.echo(f"session-end-exporter {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a command. A mistake is a line on stderr and exit code 1, not a traceback."""
    streams.reserve()
    logs.configure("info")
    try:
        app()
    except (ConfigError, LedgerError, OSError) as error:
        if isinstance(error, OSError):
            if error.errno != errno.ENOSPC:
                raise
            streams.release()
        for line in str(error).splitlines():
            print(f"error: {streams.printable(line)}", file=sys.stderr)
        if isinstance(error, LedgerBroken):
            # A thread may wait for a disk that hangs. The thread would crash if the disk came back while the
            # interpreter ends.
            streams.release()
            os._exit(1)
        sys.exit(1)
