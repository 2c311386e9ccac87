"""`serve`."""

from exporter.commands.options import Config, DataDir, Folders, Ingest, Ledger, Ops


def serve(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    ledger: Ledger = None,
    taxonomy: Folders = None,
) -> None:
    """Run both listeners until SIGTERM.

    Prints the addresses to standard output and the log, JSON lines, to standard error.
    """
    import gc

    from exporter import streams

    # Until `run` has started everything: collections of what is never garbage took a tenth of the start.
    gc.disable()
    streams.reserve()

    import uvloop

    from exporter import logs
    from exporter.announce import announce
    from exporter.configuration import read_configuration, unusable_addresses
    from exporter.errors import ConfigError
    from exporter.serve import run

    # `run` reads the files again and logs their warnings then.
    logs.configure("error")
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
