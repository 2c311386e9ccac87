"""`serve`, and `check`, which reads the same configuration."""

from collections.abc import Mapping
from shlex import quote
from urllib.parse import urlsplit

import typer

from exporter import logs, names, streams
from exporter.commands.options import Config, DataDir, Folders, Ingest, Ledger, Ops
from exporter.errors import ConfigError
from exporter.settings import Settings, is_loopback

log = logs.Log("exporter")
_EVENT = '{"id":"try-1","system":"streampixel","code":4001}'


def serve(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    ledger: Ledger = None,
    taxonomy: Folders = None,
) -> None:
    """Run the exporter until SIGTERM or Ctrl-C.

    Receives events on the ingest listener, and serves metrics, health checks and runbooks on the ops
    listener. Prints the addresses to standard output and the log, JSON lines, to standard error.

    Every setting is a SESSION_EXPORTER_* variable or a key of the TOML file; these options set the most
    important ones. `check` takes the same options and prints every mistake.

    \b
    Examples:
      session-end-exporter serve
      session-end-exporter serve --data-dir /var/lib/session-end-exporter
    """
    import gc

    # Collections at startup find no garbage and took a tenth of its time. `run` enables them afterwards.
    gc.disable()

    import uvloop

    from exporter.configuration import read_configuration, unusable_addresses
    from exporter.serve import run

    configuration = read_configuration(
        config, ingest=ingest, ops=ops, data_dir=data_dir, ledger=ledger, taxonomy=taxonomy
    )
    settings = configuration.settings
    mistakes = configuration.mistakes + unusable_addresses(settings)
    if mistakes:
        raise ConfigError(*mistakes)
    logs.configure(settings.log_level)
    try:
        uvloop.run(run(settings, configuration.taxonomy, lambda bound: announce(settings, bound)))
    finally:
        streams.release()


def announce(settings: Settings, bound: Mapping[str, tuple[str, int]]) -> None:
    """Print the URLs of the bound listeners and an example command. A failure to print is only logged."""
    given = {
        name: f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for name, (host, port) in bound.items()
    }
    settings = settings.model_copy(update=given)
    ingest, ops = settings.url("ingest"), settings.url("ops")
    token = ""
    if settings.ingest_token_file:
        first = f'grep -m1 "^[[:space:]]*[^#[:space:]]" {quote(str(settings.ingest_token_file))}'
        token = f' -H "Authorization: Bearer $({first})"'
    insecure = " -k" if settings.ingest_tls_cert else ""
    greeting = f"""
session-end-exporter is ready

  send events to   {ingest}{names.INGEST_PATH}
  metrics          {ops}{names.METRICS_PATH}
  look around      {ops}/

try it:
  curl{insecure}{token} -H 'Content-Type: application/json' -d '{_EVENT}' {ingest}{names.INGEST_PATH}
"""
    try:
        print(greeting, flush=True)
    except (OSError, ValueError) as error:
        log.warning("greeting not printed", error=str(error), ingest=ingest, ops=ops)


def check(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    ledger: Ledger = None,
    taxonomy: Folders = None,
) -> None:
    """Print every mistake in settings, taxonomies and files.

    Checks the settings, the taxonomies, and the token, key and certificate files that the settings name.
    Writes nothing. Exits with 1 when there is a mistake. An address that can't be used now is only a
    warning: a running exporter occupies its ports.

    \b
    Examples:
      session-end-exporter check --config exporter.toml
      session-end-exporter check --taxonomy my-codes
    """
    from exporter.configuration import read_configuration, unusable_addresses
    from exporter.runbooks import warnings as runbook_warnings

    # Warnings about files are printed below, as text.
    logs.configure("error")
    configuration = read_configuration(
        config, ingest=ingest, ops=ops, data_dir=data_dir, ledger=ledger, taxonomy=taxonomy
    )
    settings, systems = configuration.settings, configuration.taxonomy.systems
    warnings = configuration.warnings + unusable_addresses(settings)
    if not configuration.mistakes:
        warnings += _unreachable_runbooks(settings)
        warnings += runbook_warnings(configuration.taxonomy, settings.taxonomy)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    if configuration.mistakes:
        raise ConfigError(*configuration.mistakes)
    counts = (f"{name} ({len(system.codes)} codes)" for name, system in systems.items())
    typer.echo(f"ok: {', '.join(counts)}")


def _unreachable_runbooks(settings: Settings) -> list[str]:
    """A warning when notifications link to runbooks that on-call can't open."""
    host = urlsplit(settings.runbooks).hostname or ""
    if is_loopback(settings.ops.rpartition(":")[0]) or not is_loopback(host):
        return []
    return [
        f"runbook links begin with {settings.runbooks}, which opens on this machine only: set "
        "runbook_url to the address of the ops listener that on-call uses"
    ]
