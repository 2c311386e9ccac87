"""`session-end-exporter backtest FILE…`, without its flags' parsing."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from exporter.backtest.options import Options
from exporter.errors import ConfigError
from exporter.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from exporter.backtest.counters import Counters
    from exporter.backtest.files import Files
    from exporter.backtest.left_out import LeftOut
    from exporter.promql.run import Firing
    from exporter.taxonomy.model import Taxonomy


def backtest(
    files: Sequence[Path],
    options: Options,
    console: "Console",
    errors: "Console",
    *,
    now: Callable[[], float] = time.time,
) -> int:
    """Reads the files' events, replays the rules over them and reports; returns the exit code.

    0 is a report, 1 that a file can't be read or that none holds an end with a time, 2 a wrong option.
    The report goes to `console`, or as JSON to standard output; what is wrong with which line of a file,
    and the progress, to `errors`. Raises `ConfigError` for mistakes in taxonomy and rule files.
    """
    from exporter.backtest.notifications import notifications
    from exporter.backtest.replay import Replay
    from exporter.backtest.report import Report
    from exporter.backtest.rules import load as load_rules
    from exporter.rule_files import folder
    from exporter.send.sources import check
    from exporter.taxonomy.loader import load as load_taxonomy

    def tell(text: str) -> None:
        errors.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def failed(error: ConfigError, code: int) -> int:
        for mistake in error.mistakes:
            tell(f"error: {mistake}")
        return code

    taxonomy = load_taxonomy(options.taxonomy)
    groups = load_rules(options.rules or folder())
    try:
        since, until = options.period()
        options.check(taxonomy)
    except ConfigError as error:
        return failed(error, 2)
    try:
        check(files)
        read = _read(files, options, taxonomy, errors, tell, now())
        counted = [one for ends in read.ends.values() if (one := ends.counters(read.left_out))]
        if not counted:
            raise ConfigError(_nothing(read.left_out))
    except ConfigError as error:
        return failed(error, 1)
    replays = [
        replay
        for counters in counted
        if (replay := Replay.of(taxonomy.systems[counters.system], counters, groups, since, until))
    ]
    if not replays:
        spans = ", ".join(_span(one) for one in counted)
        return failed(ConfigError(f"--since, --until: nothing of the history ({spans})"), 2)
    firings = [one for replay in replays for one in replay.firings]
    for failure in (one for replay in replays for one in replay.failures):
        tell(f"{failure.rule}: fails at {failure.instants:,} evaluations: {failure.reason}")
    if options.json:
        print(as_json(firings), flush=True)
        for count, why in read.left_out.lines():
            tell(f"{count:,} left out {why}")
        return 0
    told = [
        notification
        for replay in replays
        for notification in notifications(replay.firings, replay.end)
    ]
    Report(replays, told, read.left_out, len(files)).show(console)
    return 0


def as_json(firings: "Sequence[Firing]") -> str:
    """An array with an object for each firing, in order of time; times are RFC 3339 in UTC.

    `end` is null for an alert that fired still when the history ended.
    """
    rows = [
        {
            "labels": one.labels,
            "start": _rfc3339(one.start),
            "end": None if one.end is None else _rfc3339(one.end),
        }
        for one in sorted(firings, key=lambda one: one.start)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _read(
    files: Sequence[Path],
    options: Options,
    taxonomy: "Taxonomy",
    errors: "Console",
    tell: Callable[[str], None],
    now: float,
) -> "Files":
    from exporter.backtest.files import Files
    from exporter.send.events import Occurrences
    from exporter.send.sources import Source

    with Occurrences() as seen:
        read = Files(taxonomy, seen, now, options.system)
        read.left_out.tell = tell
        with _shown(errors, read) as progress:
            for path in files:
                read.read(Source(path, options.format), tell, progress)
    return read


@contextmanager
def _shown(errors: "Console", read: "Files") -> Iterator[Callable[[], None]]:
    """What to call as reading goes on: a line on a terminal, nothing elsewhere."""
    if not errors.is_terminal:
        yield lambda: None
        return
    with errors.status("reading …") as status:
        yield lambda: status.update(f"reading … {read.left_out.read:,} events")


def _nothing(left_out: "LeftOut") -> str:
    why = "; ".join(f"{count:,} left out {why}" for count, why in left_out.lines())
    return f"no end to replay in {left_out.read:,} events" + (f": {why}" if why else "")


def _span(counters: "Counters") -> str:
    last = counters.start + (len(counters.totals) - 1) * counters.step
    return f"{counters.system} is from {_rfc3339(counters.start)} to {_rfc3339(last)}"


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
