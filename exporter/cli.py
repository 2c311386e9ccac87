"""The commands, thin: flags in, exit code out."""

import sys
from collections.abc import Sequence
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
    # Plain help: boxes show Python's types, and don't survive grep or a narrow terminal.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="settings, TOML; SESSION_EXPORTER_CONFIG names it too"),
]
Ingest = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="where senders post events")]
Ops = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="where Prometheus and people look")
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="where the ledger is kept")]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--taxonomy", metavar="DIR", help="further systems' YAML files; may be repeated"),
]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="thresholds instead of the shipped")
]


@app.callback(invoke_without_command=True)
def about(
    version: Annotated[bool, typer.Option("--version", help="print the version and exit")] = False,
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
    """Run both listeners until SIGTERM.

    Says on standard output where to send events; the log, JSON lines, is on standard error.
    """
    import uvloop

    from exporter import logs
    from exporter.announce import announce
    from exporter.serve import run
    from exporter.taxonomy.loader import load as load_taxonomy

    settings = load(config, ingest=ingest, ops=ops, data_dir=data_dir, taxonomy=taxonomy)
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
    policy: PolicyFile = None,
) -> None:
    """Print every mistake in settings, taxonomies, policy and files.

    Looks at the settings, at the token and certificate files that they name, at the taxonomies, and at
    the policy that alerts are rendered with.
    Starts nothing and writes nothing. Exits with 1 when there is a mistake.
    """
    from exporter.policy.loader import fits
    from exporter.policy.loader import load as load_policy
    from exporter.taxonomy.loader import load as load_taxonomy

    mistakes: list[str] = []
    settings: Settings | None = None
    try:
        settings = load(config, ingest=ingest, ops=ops, data_dir=data_dir, taxonomy=taxonomy)
        mistakes += _files(settings)
    except ConfigError as error:
        mistakes += error.mistakes
    folders = taxonomy or [] if settings is None else settings.taxonomy
    try:
        loaded_policy = load_policy(policy)
    except ConfigError as error:
        loaded_policy = None
        mistakes += error.mistakes
    try:
        loaded = load_taxonomy(folders)
    except ConfigError as error:
        raise ConfigError(*mistakes, *error.mistakes) from None
    if loaded_policy is not None:
        mistakes += fits(loaded_policy, loaded)
    if mistakes:
        raise ConfigError(*mistakes)
    systems = loaded.systems
    shown = ", ".join(f"{name} ({len(one.codes)} codes)" for name, one in systems.items())
    typer.echo(f"ok: {shown}")


def _files(settings: Settings) -> list[str]:
    """What is wrong with the token and certificate files that the settings name."""
    from exporter.server.listeners import certificate
    from exporter.tokens import Tokens

    mistakes: list[str] = []
    for name in ("ingest", "ops"):
        tokens = getattr(settings, f"{name}_token_file")
        cert, key = (getattr(settings, f"{name}_tls_{part}") for part in ("cert", "key"))
        if tokens is not None:
            try:
                Tokens(tokens, lambda: 0.0)
            except ConfigError as error:
                mistakes += error.mistakes
        if cert is not None and key is not None:
            try:
                certificate(name, cert, key)
            except ConfigError as error:
                mistakes += error.mistakes
    return mistakes


@app.command()
def codes(
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="a code, a system, or words")
    ] = None,
    config: Config = None,
    taxonomy: Folders = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """What a code means, who acts, and what to do.

    `codes` prints the table, `codes softdrive` one system's, `codes 4001` and `codes softdrive 08` a
    code, `codes timeout` searches. Exits with 1 when nothing is found.
    """
    from rich.console import Console

    from exporter.lookup.page import as_json
    from exporter.lookup.search import search
    from exporter.lookup.show import show
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(_folders(config, taxonomy))
    words = query or []
    if json:
        found = search(loaded, words)
        typer.echo(as_json(found))
        raise typer.Exit(0 if found else 1)
    if not show(Console(), loaded, words):
        raise typer.Exit(1)


def _folders(config: Path | None, taxonomy: list[Path] | None) -> Sequence[Path]:
    """The configured taxonomies.

    Who looks up a code at night is not to be stopped by a port that is wrong in some variable: without
    `config`, mistakes in the environment are told and left.
    """
    try:
        return load(config, taxonomy=taxonomy).taxonomy
    except ConfigError as error:
        if config is not None:
            raise
        for mistake in error.mistakes:
            print(f"warning: {mistake}", file=sys.stderr)
        return taxonomy or []


@app.command()
def render(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="the folder that gets rules/ and deploy/")
    ] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="write nothing, print what would change, exit with 1")
    ] = False,
    config: Config = None,
    taxonomy: Folders = None,
    policy: PolicyFile = None,
    runbook_base_url: Annotated[
        str, typer.Option(metavar="URL", help="where alerts find runbooks: the ops listener")
    ] = "http://127.0.0.1:10401",
    dashboard_base_url: Annotated[
        str, typer.Option(metavar="URL", help="where alerts find dashboards: Grafana")
    ] = "http://127.0.0.1:3000",
) -> None:
    """Write the alerting rules for the taxonomies' systems.

    The same taxonomy and policy give the same bytes. Files that were rendered once and no longer belong
    are removed.
    """
    from exporter.policy.loader import load as load_policy
    from exporter.render import generate
    from exporter.taxonomy.loader import load as load_taxonomy

    loaded = load_taxonomy(_folders(config, taxonomy))
    urls = runbook_base_url, dashboard_base_url
    if check:
        if mistakes := generate.check(loaded, load_policy(policy), out, *urls):
            raise ConfigError(*mistakes)
        return
    for line in generate.render(loaded, load_policy(policy), out, *urls):
        typer.echo(line)


@app.command()
def send(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="JSON, NDJSON or CSV, .gz too; - is standard input"),
    ],
    url: Annotated[
        str, typer.Option(metavar="URL", help="the ingest listener")
    ] = "http://127.0.0.1:10400",
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="bearer token to send")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="certificates to trust, PEM")
    ] = None,
    format_: Annotated[
        Literal["json", "ndjson", "csv"] | None,
        typer.Option("--format", help="of every FILE, instead of guessing it"),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", help="events in a request")] = 500,
    max_wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="without progress, then give up")
    ] = 300,
    quiet: Annotated[bool, typer.Option("--quiet", help="print mistakes only")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="print the summary as JSON, the rest on stderr")
    ] = False,
) -> None:
    """Post events from files; safe to run again.

    Retries while the exporter is away, and what was counted is not counted again. Exits with 0 when all
    are counted, with 1 when some were rejected or skipped and repeating won't help, with 2 when not
    all were delivered: run it again.
    """
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


@app.command()
def simulate(
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="post to this ingest listener")
    ] = None,
    openmetrics: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write counters for promtool; one file a day into a directory"
        ),
    ] = None,
    ndjson: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="write events for send; - is standard output"),
    ] = None,
    system: Annotated[
        Literal["streampixel", "softdrive", "both"], typer.Option(help="whose sessions end")
    ] = "streampixel",
    ends_per_hour: Annotated[
        float, typer.Option(metavar="N", help="of each system, the mean of a week")
    ] = 1000,
    days: Annotated[
        float | None, typer.Option(metavar="N", help="how long; 1 hour by default")
    ] = None,
    hours: Annotated[float | None, typer.Option(metavar="N", help="how long, in hours")] = None,
    for_: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="how long: 90s, 45m, 6h, 2d")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="RFC 3339, or now; by default files end now, and posting begins on a Monday at 8",
        ),
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[@OFFSET]", help="capacity-large@10m; may be repeated"),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(metavar="N", help="simulated seconds in a second; 1 is real time, from now"),
    ] = 60,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="the same seed and start give the same events")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="bearer token to send")
    ] = None,
    list_incidents: Annotated[
        bool, typer.Option("--list-incidents", help="print what can happen, and exit")
    ] = False,
) -> None:
    """Make realistic session ends, with incidents, to try things with.

    Posts them as time goes by, sixty times as fast as in reality, or writes them to a file. Events that
    are posted in compressed time carry no time of their own: they happen when they arrive. Exits with 0
    at the end and after Ctrl-C, with 1 when events were rejected, with 2 when something is wrong.

    \b
    An hour within a minute, in which a third finds no worker from 10 m on:
      simulate --url http://127.0.0.1:10400 --incident capacity-large@10m
    Both systems in real time, until Ctrl-C:
      simulate --url http://127.0.0.1:10400 --system both --speed 1 --days 7
    A month with 20 incidents to find, for Prometheus:
      mkdir past; simulate --openmetrics past --incident standard
      for day in past/*; do
        promtool tsdb create-blocks-from openmetrics $day data/
      done
    """
    from rich.console import Console

    if list_incidents:
        from exporter.simulate.catalogue import catalogue

        typer.echo(catalogue())
        return
    from exporter.simulate.command import STDOUT, simulate
    from exporter.simulate.options import Options

    options = Options(
        url=url,
        openmetrics=openmetrics,
        ndjson=ndjson,
        system=system,
        ends_per_hour=ends_per_hour,
        days=days,
        hours=hours,
        duration=for_,
        start=start,
        incidents=incident or (),
        speed=speed,
        seed=seed,
        token_file=token_file,
    )
    raise typer.Exit(simulate(options, Console(stderr=STDOUT in (openmetrics, ndjson))))


@app.command()
def backtest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="JSON, NDJSON or CSV, .gz too; - is standard input"),
    ],
    system: Annotated[
        str | None, typer.Option(metavar="NAME", help="count this system's events only")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="report from here on: 2026-01-05, or RFC 3339"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="report until here; the rules see all")
    ] = None,
    taxonomy: Folders = None,
    policy: PolicyFile = None,
    format_: Annotated[
        Literal["json", "ndjson", "csv"] | None,
        typer.Option("--format", help="of every FILE, instead of guessing it"),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="print the alerts as JSON, the rest on stderr")
    ] = False,
) -> None:
    """What the alerts would have done with the events of files.

    Reads what `send` reads, counts each event once, and runs the rules over the counts: what would have
    paged and when, the pager's load, and which codes are noisy. Nothing is posted. Exits with 0 when
    there is a report, with 1 when a file can't be read or has no end with a time, with 2 when an option
    is wrong.

    \b
    Last month, before the rules are installed:
      backtest october.ndjson.gz
    With thresholds of your own, the last week of it:
      backtest october.ndjson.gz --policy mine.yaml --since 2026-10-25
    How many pages were there?
      backtest *.csv --json | jq '[.[] | select(.severity == "page")] | length'
    """
    from rich.console import Console

    from exporter.backtest.command import backtest as replay
    from exporter.backtest.options import Options

    options = Options(
        taxonomy=tuple(taxonomy or ()),
        policy=policy,
        system=system,
        format=format_,
        since=since,
        until=until,
        json=json,
    )
    raise typer.Exit(replay(files, options, Console(), Console(stderr=True)))


def main() -> None:
    """The console script: mistakes are lines on stderr and exit code 1, never a traceback."""
    try:
        app()
    except (ConfigError, LedgerError) as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(1)
