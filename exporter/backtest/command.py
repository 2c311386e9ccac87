"""`session-end-exporter backtest FILE…`, without the parsing of its flags."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console

from exporter.backtest.event_counts import MOST_SHOWN, EventCounts
from exporter.backtest.files import Files
from exporter.backtest.notifications import Notification
from exporter.backtest.replay import Replay, load_rules, read_labels, reads_unknown_codes
from exporter.backtest.report import Report
from exporter.errors import ConfigError
from exporter.names import CODE, SYSTEM, UNKNOWN
from exporter.promql.run import Firing
from exporter.rule_files import folder
from exporter.send.field_names import parse_columns
from exporter.send.options import Format
from exporter.send.seen import Seen
from exporter.send.sources import Source, check
from exporter.streams import printable
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import Taxonomy


@dataclass(frozen=True, slots=True)
class Options:
    """The flags as given; None if a flag was not given. `columns` are values of `--column`."""

    taxonomy: Sequence[Path] = ()
    rules: Path | None = None
    system: str | None = None
    format: Format | None = None
    columns: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    json: bool = False


def backtest(
    files: Sequence[Path],
    options: Options,
    console: Console,
    errors: Console,
    *,
    now: Callable[[], float] = time.time,
) -> int:
    """Reads events, replays the rules over them and prints the report; returns the exit code.

    0: report printed. 1: a file cannot be read, or there is no end with a time. 2: invalid option. The
    report goes to `console`, or as JSON to standard output; mistakes in files and the progress go to
    `errors`. Raises `ConfigError` for mistakes in taxonomy and rule files.
    """

    def note(text: str) -> None:
        errors.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def failed(error: ConfigError, code: int) -> int:
        for mistake in error.mistakes:
            note(f"error: {mistake}")
        return code

    taxonomy = load_taxonomy(options.taxonomy)
    groups = load_rules(options.rules or folder())
    try:
        since, until = _time("--since", options.since), _time("--until", options.until)
        if since is not None and until is not None and since >= until:
            raise ConfigError(f"--since {options.since} is not before --until {options.until}")
        if options.system is not None and options.system not in taxonomy.systems:
            raise ConfigError(
                f"--system = {options.system!r}: must be one of {', '.join(taxonomy.systems)}; "
                "load another system with --taxonomy"
            )
        columns = parse_columns(options.columns)
    except ConfigError as error:
        return failed(error, 2)
    try:
        check(files)
        labels = read_labels(groups)
        read = _read(files, options, columns, taxonomy, errors, note, now(), labels)
        events = read.counts
        all_counters = [
            counters for ends in read.ends.values() if (counters := ends.counters(events))
        ]
        if not all_counters:
            skipped = "".join(f"; {count:,} skipped: {why}" for count, why in events.skipped())
            raise ConfigError(f"no end to replay in {events.read:,} events{skipped}")
    except ConfigError as error:
        return failed(error, 1)
    replays = [
        replay
        for counters in all_counters
        if (
            replay := Replay.of(
                taxonomy.systems[counters.system], counters, groups, since, until, all_counters
            )
        )
    ]
    if not replays:
        periods = ", ".join(
            f"{counters.system}: {_rfc3339(counters.start)} to {_rfc3339(counters.end)}"
            for counters in all_counters
        )
        return failed(ConfigError(f"--since, --until: no part of the history ({periods})"), 2)
    for failure in (failure for replay in replays for failure in replay.failures):
        note(f"{failure.rule}: fails at {failure.instants:,} evaluations: {failure.reason}")
    sent = [notification for replay in replays for notification in replay.notifications]
    if options.json:
        firings = [firing for replay in replays for firing in replay.firings]
        print(as_json(firings, sent, events), flush=True)
        for line in events.remarks():
            note(line)
    else:
        Report(replays, sent, events, len(files), console).show()
    return 0


def as_json(firings: Sequence[Firing], sent: Sequence[Notification], events: EventCounts) -> str:
    """An array with an object per firing, in order of time; times are RFC 3339 in UTC.

    `end` is null for an alert that fires at the end of the history. `notified` is the time of the first
    notification about it; null if none was sent: it was inhibited, or ended before. Alerts about unknown
    codes have `unknown_codes`: the ends of each code as sent.
    """
    rows = []
    for firing in sorted(firings, key=lambda firing: firing.start):
        row: dict[str, object] = {
            "labels": firing.labels,
            "start": _rfc3339(firing.start),
            "end": None if firing.end is None else _rfc3339(firing.end),
            "notified": next(
                (_rfc3339(message.at) for message in sent if message.names(firing)), None
            ),
        }
        if reads_unknown_codes(firing.rule) or firing.labels.get(CODE) == UNKNOWN:
            codes = events.unknown_codes.get(firing.labels.get(SYSTEM, ""), Counter())
            row["unknown_codes"] = dict(codes.most_common(MOST_SHOWN))
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _read(
    files: Sequence[Path],
    options: Options,
    columns: Mapping[str, str],
    taxonomy: Taxonomy,
    errors: Console,
    note: Callable[[str], None],
    now: float,
    labels: bool,
) -> Files:
    shown = errors.status("reading …") if errors.is_terminal else nullcontext()
    with Seen() as seen, shown as status:
        read = Files(taxonomy, seen, now, options.system, labels)
        read.counts.note = note

        def progress() -> None:
            if status:
                status.update(f"reading … {read.counts.read:,} events")

        for path in files:
            source = Source(path, options.format, columns)
            read.read(source, note, progress)
            if unseen := source.names.unseen_columns():
                raise ConfigError(*(f"{source.name}: {text}" for text in unseen))
            for line in source.names.without_code_lines():
                note(f"{source.name}: {line}")
    return read


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(flag: str, text: str | None) -> float | None:
    """Unix seconds. Raises `ConfigError`."""
    if text is None:
        return None
    try:
        # A date first: datetime.fromisoformat accepts it too, but in the machine's time zone.
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC).timestamp()
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ConfigError(
            f"{flag} = {text!r}: must be a date such as 2026-01-05, or RFC 3339 such as "
            "2026-01-05T08:00:00Z"
        )
    return at.timestamp()
