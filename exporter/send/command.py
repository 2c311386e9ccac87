"""`session-end-exporter send FILE…`, without the parsing of its flags."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from exporter.errors import ConfigError
from exporter.send.connection import Connection, Undelivered
from exporter.send.delivery import Clock, Delivery
from exporter.send.events import events
from exporter.send.field_names import parse_columns
from exporter.send.follow import FollowedFile
from exporter.send.options import Options, format_of
from exporter.send.report import Report
from exporter.send.sources import STDIN, Source, check_columns
from exporter.streams import printable

_COLUMNS: Final = (BarColumn(30), TextColumn("{task.description}"), TimeElapsedColumn())


def send(
    files: Sequence[Path], options: Options, console: Console, *, clock: Clock | None = None
) -> Report:
    """Posts the events of all `files`; errors are printed and recorded in the report, not raised."""

    def print_line(text: str) -> None:
        console.print(printable(text, keep="\n"), markup=False, highlight=False, soft_wrap=True)

    def note(text: str) -> None:
        if not options.quiet:
            print_line(text)

    def show_progress() -> None:
        rate = report.acknowledged / (bar.tasks[task].elapsed or 1.0)
        counts = f"{report.acknowledged:,} events  {rate:,.0f}/s  {report.retries} retries"
        done = sum(source.position() for source in sources) if total else 0
        bar.update(task, completed=done, description=counts)

    clock = clock or Clock()
    report = Report(print_line=print_line)
    hidden = options.quiet or options.json or not console.is_terminal
    started = clock.monotonic()
    sources: Sequence[Source] = ()
    try:
        columns = parse_columns(options.columns)
        if options.follow and list(files) != [STDIN]:
            if len(files) > 1 or "csv" in (options.format, format_of(files[0].name)):
                raise ConfigError("--follow: takes a single file of NDJSON")
            sources = [FollowedFile(files[0], columns, print_line)]
        else:
            check_columns(files, options.format, columns)
            sources = [Source(path, options.format, columns) for path in files]
        sizes = [source.size for source in sources]
        total = sum(sizes) if all(sizes) else None  # None: the bar has no end
        with (
            closing(Connection(options)) as connection,
            Progress(*_COLUMNS, console=console, transient=True, disable=hidden) as bar,
        ):
            task = bar.add_task("", total=total)
            delivery = Delivery(connection, options, report, clock, show_progress, note)
            for source in sources:
                source.on_idle = delivery.flush
                if isinstance(source, FollowedFile):
                    delivery.save = source.save
            delivery.deliver(event for source in sources for event in events(source, report, note))
    except (ConfigError, Undelivered) as error:
        report.error = str(error)
    except KeyboardInterrupt:
        report.error = f"Interrupted. {report.advice}"
    report.seconds = clock.monotonic() - started
    for source in sources:
        report.ignored_fields |= source.names.ignored
    report.print_warnings()
    if report.error:
        print_line(report.error)
    if options.json:
        # All other lines go to `console`: with --json, it is standard error.
        print(report.as_json(), flush=True)
    else:
        note(report.summary())
    return report
