"""`serve`."""

from exporter.commands.options import Config, DataDir, Folders, Ingest, Ledger, Ops
from exporter.settings import load


def serve(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    ledger: Ledger = None,
    taxonomy: Folders = None,
) -> None:
    """Run both listeners until SIGTERM.

    Says on standard output where to send events; the log, JSON lines, is on standard error.
    """
    from exporter import streams

    streams.reserve()

    import uvloop

    from exporter import logs
    from exporter.announce import announce
    from exporter.serve import run
    from exporter.taxonomy.loader import load as load_taxonomy

    settings = load(
        config, ingest=ingest, ops=ops, data_dir=data_dir, ledger=ledger, taxonomy=taxonomy
    )
    logs.configure(settings.log_level)
    try:
        uvloop.run(
            run(settings, load_taxonomy(settings.taxonomy), lambda bound: announce(settings, bound))
        )
    finally:
        streams.release()
