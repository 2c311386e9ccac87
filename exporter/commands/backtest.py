from importlib.util import find_spec
from typing import Annotated

import typer

from exporter.commands.options import Columns, EventFiles, Folders, Format, RulesDir


def backtest(
    files: EventFiles,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="start of the report: 2026-01-05, or RFC 3339"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="end of the report; the rules use all events")
    ] = None,
    taxonomy: Folders = None,
    rules: RulesDir = None,
    format_: Format = None,
    columns: Columns = None,
    json: Annotated[
        bool, typer.Option("--json", help="print the alerts as JSON, messages to standard error")
    ] = False,
) -> None:
    """Show which alerts would have fired for recorded events.

    FILE is JSON, NDJSON or CSV, also gzip-compressed, as for `send`; - is standard input.

    Counts each event once, evaluates the rules over the counts, and reports alerts, notifications, noisy
    codes, unknown codes and ignored fields. Posts nothing.

    \b
    Exit codes:
      0  there is a report
      1  a file can't be read, has no event with a time, or has rules that
         backtest does not support or that fail
      2  an option is wrong

    \b
    Examples:
      session-end-exporter backtest october.ndjson.gz
      session-end-exporter backtest october.csv --rules mine --since 2026-10-25
      session-end-exporter backtest --json a.csv | jq -r '.[].labels.alertname'
    """
    from rich.console import Console

    from exporter.errors import ConfigError

    if find_spec("promql_parser") is None:
        raise ConfigError(
            "backtest needs the package promql-parser: pip install 'session-end-exporter[backtest]'"
        )
    from exporter.backtest.command import backtest as replay

    code = replay(
        files,
        Console(),
        Console(stderr=True),
        taxonomy=taxonomy or (),
        rules=rules,
        format=format_,
        columns=columns or (),
        since=since,
        until=until,
        json=json,
    )
    raise typer.Exit(code)
