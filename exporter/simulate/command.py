"""`session-end-exporter simulate`, without its flags' parsing."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from exporter.errors import ConfigError
from exporter.simulate.options import Options, Run, resolve, rfc3339

if TYPE_CHECKING:
    from rich.console import Console

    from exporter.send.delivery import Clock

STDOUT: Final = Path("-")
_SEEDS: Final = 1_000_000


def simulate(options: Options, console: "Console", *, clock: "Clock | None" = None) -> int:
    """Simulates, then writes or posts; returns the command's exit code.

    0 is all of it, or as much as there was until Ctrl-C; 1 that an exporter rejected events; 2 wrong
    usage (then nothing was simulated), a file that can't be written, or events that could not be
    delivered. What goes on is told on `console`, which should be of standard error when the output goes
    to standard output; mistakes are lines on standard error.
    """
    from exporter.send.delivery import Clock

    clock = clock or Clock()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    try:
        run = resolve(options, clock.wall(), lambda: int(clock.uniform(0, _SEEDS)))
        say(f"the same again: {run.repeat}")
        if not options.live:
            _write(options, run, say)
            return 0
        from exporter.simulate.posting import post

        report = post(options, run, console, say, clock)
        if report.error:
            say(report.error)
        say(report.summary())
        return report.exit_code
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("interrupted: unfinished files are removed")
        return 0


def _write(options: Options, run: Run, say: Callable[[str], None]) -> None:
    from exporter.simulate.catalogue import described
    from exporter.simulate.events import ndjson
    from exporter.simulate.openmetrics import daily, openmetrics

    histories = run.histories()
    if options.ndjson is not None:
        with _opened("--ndjson", options.ndjson) as file:
            file.writelines(ndjson(histories, run.seed))
    elif options.openmetrics is not None and options.openmetrics.is_dir():
        for day, text in daily(histories):
            with _opened("--openmetrics", options.openmetrics / f"{day}.om") as file:
                file.writelines(text)
    elif options.openmetrics is not None:
        with _opened("--openmetrics", options.openmetrics) as file:
            file.writelines(openmetrics(histories))
    for history in histories:
        for one in history.incidents:
            say(f"{rfc3339(one.start)} to {rfc3339(one.end)} {described(one)}")
        say(f"{history.system}: {int(history.ends.sum()):,} ends until {rfc3339(history.end)}")


@contextmanager
def _opened(option: str, path: Path) -> Iterator[TextIO]:
    """The file to write; removed when it could not be finished, because half of one looks like all."""
    if path == STDOUT:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            # `| head` has enough; Python would try to flush, and complain, once more at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            try:
                yield file
                file.flush()
            except BaseException:
                # A device or a pipe is somebody else's.
                if path.is_file():
                    path.unlink()
                raise
    except OSError as error:
        raise ConfigError(f"{option} {path}: {error.strerror or error}") from None
