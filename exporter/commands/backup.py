import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from exporter.commands.options import Config, DataDir
from exporter.settings import load


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", hidden=True)],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the ledger into a new file while the exporter runs.

    DIR is an existing directory. The new file, ledger-TIME-ID.db, has every event that was answered with
    200 before the time that the command prints. To restore it, put it as ledger.db into an empty data_dir
    and start the exporter.

    Run it as root or as the exporter's user, on the exporter's machine.

    \b
    Example:
      session-end-exporter backup /var/backups \\
        --data-dir /var/lib/session-end-exporter
    """
    from exporter.ledger.backends import back_up

    settings = load(config, data_dir=data_dir)
    began = time.monotonic()
    done = back_up(settings, folder)
    until = datetime.fromtimestamp(done.until, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
    typer.echo(
        f"{done.file}: {done.size:,} bytes, ledger {done.ledger}, up to commit {done.commit}, "
        f"{time.monotonic() - began:.1f} seconds\n"
        f"It has every event that was answered before {until}"
    )
