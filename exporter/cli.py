"""The commands, thin: flags in, exit code out."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from exporter import __version__
from exporter.errors import ConfigError, LedgerError
from exporter.settings import Settings, load

app = typer.Typer(
    name="session-end-exporter",
    help="Counts the ends of streaming sessions exactly once and exports them to Prometheus.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path | None, typer.Option(help="TOML file with settings")]
Ingest = Annotated[str | None, typer.Option(help="HOST:PORT where senders post events")]
Ops = Annotated[str | None, typer.Option(help="HOST:PORT where Prometheus and people look")]
DataDir = Annotated[Path | None, typer.Option(help="where the ledger is kept")]
Folders = Annotated[
    list[Path] | None, typer.Option("--taxonomy", help="folder with further systems' YAML files")
]


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="print the version")] = False,
) -> None:
    if version:
        typer.echo(f"session-end-exporter {__version__}")
        raise typer.Exit


@app.command()
def serve(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    taxonomy: Folders = None,
) -> None:
    """Run both listeners until SIGTERM."""
    import uvloop

    from exporter import logs
    from exporter.announce import announce
    from exporter.serve import run
    from exporter.taxonomy.loader import load as load_taxonomy

    settings = _settings(config, ingest=ingest, ops=ops, data_dir=data_dir, taxonomy=taxonomy)
    logs.configure(settings.log_level)
    uvloop.run(
        run(settings, load_taxonomy(settings.taxonomy), lambda bound: announce(settings, bound))
    )


@app.command()
def check(
    config: Config = None,
    ingest: Ingest = None,
    ops: Ops = None,
    data_dir: DataDir = None,
    taxonomy: Folders = None,
) -> None:
    """Load settings, taxonomies and tokens; print every mistake with its place."""
    from exporter.taxonomy.loader import load as load_taxonomy
    from exporter.tokens import Tokens

    mistakes: list[str] = []
    settings: Settings | None = None
    folders = taxonomy or []
    try:
        settings = _settings(config, ingest=ingest, ops=ops, data_dir=data_dir, taxonomy=taxonomy)
        folders = list(settings.taxonomy)
    except ConfigError as error:
        mistakes += error.mistakes
    for file in (settings.ingest_token_file, settings.ops_token_file) if settings else ():
        if file is not None:
            try:
                Tokens(file, lambda: 0.0)
            except ConfigError as error:
                mistakes += error.mistakes
    try:
        loaded = load_taxonomy(folders)
    except ConfigError as error:
        raise ConfigError(*mistakes, *error.mistakes) from None
    if mistakes:
        raise ConfigError(*mistakes)
    codes = sum(len(system.codes) for system in loaded.systems.values())
    typer.echo(f"ok: {len(loaded.systems)} systems, {codes} codes")


@app.command()
def codes(
    query: Annotated[list[str] | None, typer.Argument(help="a code, a system, or words")] = None,
    taxonomy: Folders = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """What a code means, who acts, and what to do: `codes 4001`, `codes softdrive 08`, `codes timeout`."""
    from rich.console import Console

    from exporter.lookup.page import as_json
    from exporter.lookup.search import search
    from exporter.lookup.show import show
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(taxonomy or [])
    words = query or []
    if json:
        found = search(loaded, words)
        typer.echo(as_json(found))
        raise typer.Exit(0 if found else 1)
    if not show(Console(), loaded, words):
        raise typer.Exit(1)


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="JSON, NDJSON or CSV, .gz too; - is stdin")],
    url: Annotated[str, typer.Option(help="the ingest listener")] = "http://127.0.0.1:10400",
    token_file: Annotated[Path | None, typer.Option(help="bearer token")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="certificates to trust, PEM")] = None,
    format_: Annotated[
        Literal["json", "ndjson", "csv"] | None,
        typer.Option("--format", help="instead of guessing"),
    ] = None,
    batch: Annotated[int, typer.Option(help="events a request")] = 500,
    max_wait: Annotated[
        float, typer.Option(help="seconds without progress before giving up")
    ] = 300,
    quiet: Annotated[bool, typer.Option("--quiet", help="only mistakes")] = False,
    json: Annotated[bool, typer.Option("--json", help="summary as JSON on stdout")] = False,
) -> None:
    """Post events from files; repeating the same command counts nothing twice."""
    from rich.console import Console

    from exporter.send.command import send as deliver
    from exporter.send.options import Options

    options = Options(
        url=url,
        token_file=token_file,
        ca_file=ca_file,
        batch=batch,
        format=format_,
        max_wait=max_wait,
        quiet=quiet,
        json=json,
    )
    raise typer.Exit(deliver(files, options, Console(stderr=json)).exit_code)


def _settings(config: Path | None, **flags: object) -> Settings:
    return load(config, **flags)


def main() -> None:
    """The console script: mistakes are lines on stderr and exit code 1, never a traceback."""
    try:
        app()
    except (ConfigError, LedgerError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
