"""`check`."""

from urllib.parse import urlsplit

import typer

from exporter.commands.files import mistaken, mistaken_sites
from exporter.commands.options import Config, DataDir, Folders, Ingest, Ledger, Ops
from exporter.errors import ConfigError
from exporter.settings import Settings, is_loopback, load


def check(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    ledger: Ledger = None,
    taxonomy: Folders = None,
) -> None:
    """Print every mistake in settings, taxonomies and files.

    Looks at the settings, at the token, key and certificate files that they name, and at the taxonomies.
    Starts nothing and writes nothing. Exits with 1 when there is a mistake.
    """
    from exporter.runbooks.files import warnings as runbook_warnings
    from exporter.taxonomy.loader import load as load_taxonomy

    mistakes: list[str] = []
    settings: Settings | None = None
    try:
        settings = load(
            config, ingest=ingest, ops=ops, data_dir=data_dir, ledger=ledger, taxonomy=taxonomy
        )
        mistakes += mistaken(settings)
    except ConfigError as error:
        mistakes += error.mistakes
    folders = taxonomy or [] if settings is None else settings.taxonomy
    try:
        loaded = load_taxonomy(folders)
    except ConfigError as error:
        raise ConfigError(*mistakes, *error.mistakes) from None
    if settings is not None:
        mistakes += mistaken_sites(settings, loaded)
    if mistakes or settings is None:
        raise ConfigError(*mistakes)
    for warning in [*_unreachable_runbooks(settings), *runbook_warnings(loaded, folders)]:
        typer.echo(f"warning: {warning}", err=True)
    systems = loaded.systems
    shown = ", ".join(f"{name} ({len(one.codes)} codes)" for name, one in systems.items())
    typer.echo(f"ok: {shown}")


def _unreachable_runbooks(settings: Settings) -> list[str]:
    """Why on-call can't open the runbooks that notifications link to; nothing when they can."""
    host = urlsplit(settings.runbooks).hostname or ""
    if is_loopback(settings.ops.rpartition(":")[0]) or not is_loopback(host):
        return []
    return [
        f"runbooks are linked as {settings.runbooks}, which opens on this machine only; set "
        "runbook_url to the address of the ops listener that on-call uses"
    ]
