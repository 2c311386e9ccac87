"""`session-end-exporter send FILE…`, without its flags' parsing."""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.errors import ConfigError
from exporter.printable import printable
from exporter.send.options import Options
from exporter.send.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from exporter.send.connection import Connection
    from exporter.send.delivery import Clock
    from exporter.send.events import Event
    from exporter.send.sources import Source


def send(
    files: Sequence[Path], options: Options, console: "Console", *, clock: "Clock | None" = None
) -> Report:
    """Posts the events of all `files` ("-" is standard input), in order, and reports.

    Exits with `Report.exit_code`: 0 all counted, 1 some rejected or skipped, 2 not all delivered
    or wrong usage (then nothing was sent). Faults of files, network and server are in the report
    and on the console, not raised; Ctrl-C is taken as giving up.

    Mistakes, notes, the bar and the summary go to `console`, which should be of standard error when
    `options.json` is set: the JSON summary goes to standard output. `options.quiet` leaves only
    mistakes. What repeats safely is in the package's docstring.
    """
    from exporter.send.answers import Undelivered
    from exporter.send.delivery import Clock, Delivery
    from exporter.send.sources import Source, check

    clock = clock or Clock()

    def tell(text: str) -> None:
        console.print(printable(text, keep="\n"), markup=False, highlight=False, soft_wrap=True)

    def note(text: str) -> None:
        if not options.quiet:
            tell(text)

    report = Report(tell=tell)
    started = clock.monotonic()
    try:
        check(files)
        sources = [Source(path, options.format) for path in files]
        with _connected(options) as connection, _shown(sources, options, console, report) as show:
            delivery = Delivery(connection, options, report, clock=clock, progress=show, note=note)
            with closing(_events(sources, report, note)) as events:
                delivery.deliver(events)
    except (ConfigError, Undelivered) as error:
        report.error = str(error)
    except KeyboardInterrupt:
        report.error = (
            f"interrupted: {report.acknowledged:,} events were acknowledged. {report.advice}"
        )
    report.seconds = clock.monotonic() - started
    report.rest()
    if report.error:
        tell(report.error)
    if options.json:
        print(report.as_json(), file=sys.stdout, flush=True)
    else:
        note(report.line())
    return report


def _events(
    sources: "Sequence[Source]", report: Report, note: Callable[[str], None]
) -> "Generator[Event, None, None]":
    from exporter.send.events import FIELDS, Skipped, events
    from exporter.send.occurrences import Occurrences

    for source in sources:

        def warn(text: str, name: str = source.name) -> None:
            note(f"{name}: {text}")

        with Occurrences() as seen:
            for item in events(source.name, source.read(FIELDS, warn), seen, warn):
                report.read += 1
                if isinstance(item, Skipped):
                    report.skip(item.place, item.message)
                else:
                    yield item


@contextmanager
def _connected(options: Options) -> "Iterator[Connection]":
    from exporter.send.connection import Connection

    connection = Connection(options)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _shown(
    sources: "Sequence[Source]", options: Options, console: "Console", report: Report
) -> Iterator[Callable[[], None]]:
    if options.quiet or options.json or not console.is_terminal:
        yield lambda: None
        return
    from exporter.send.progress import progress

    sizes = [source.size() for source in sources]

    def position() -> int:
        return sum(source.position() for source in sources)

    with progress(console, report, sum(sizes) if all(sizes) else 0, position) as show:
        yield show
