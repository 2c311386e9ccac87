"""`session-end-exporter backtest FILE…`, without the parsing of its flags."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import inf
from pathlib import Path

from rich.console import Console

from exporter.backtest.event_counts import MOST_SHOWN, EventCounts
from exporter.backtest.files import EventReader
from exporter.backtest.replay import (
    Replay,
    absent_metrics,
    load_rules,
    reads_unknown_codes,
    replays,
)
from exporter.backtest.report import Report
from exporter.errors import ConfigError
from exporter.names import CODE, SYSTEM, UNKNOWN
from exporter.rule_files import RULES
from exporter.send.field_names import parse_columns
from exporter.send.options import Format
from exporter.send.sources import Source
from exporter.streams import printable
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.timestamps import option_seconds, rfc3339


def backtest(
    files: Sequence[Path],
    console: Console,
    errors: Console,
    *,
    taxonomy: Sequence[Path] = (),
    rules: Path | None = None,
    format: Format | None = None,
    columns: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    json: bool = False,
    now: Callable[[], float] = time.time,
) -> int:
    """Reads events, replays the rules over them and prints the report; returns the exit code.

    0: report printed. 2: invalid option. The options are the flags as given; None if a flag was not given.
    The report goes to `console`, or as JSON to standard output; mistakes in files and the progress go to
    `errors`. Raises `ConfigError` for mistakes in taxonomy and rule files, for a rule whose evaluation
    fails, for a file that cannot be read, and without any end that has a time.
    """

    def note(text: str) -> None:
        errors.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    known = load_taxonomy(taxonomy)
    groups = load_rules(rules or RULES)
    try:
        begin = -inf if since is None else option_seconds("--since", since)
        end = inf if until is None else option_seconds("--until", until)
        if begin >= end:
            raise ConfigError(f"--since {since} is not before --until {until}")
        fields = parse_columns(columns)
    except ConfigError as error:
        note(f"error: {error}")
        return 2
    if absent := absent_metrics(groups):
        note(
            f"warning: rules read {', '.join(absent)}, which no rule records and backtest does not know: "
            "is a rule file missing?"
        )
    with errors.status("reading …") if errors.is_terminal else nullcontext():
        reader = EventReader(known, now(), note)
        for source in [Source(path, format, fields) for path in files]:
            reader.read(source)
            if source.refused:
                raise ConfigError(*(f"{source.name}: {text}" for text in source.refused))
    events = reader.counts
    all_counters = reader.ends.counters()
    events.remove(reader.ends.removed)
    if not all_counters:
        skipped = "".join(f"; {count:,} skipped: {why}" for count, why in events.skipped())
        raise ConfigError(f"no end to replay in {events.read:,} events{skipped}")
    replayed = replays(known, all_counters, groups, begin, end)
    if not replayed:
        note("error: --since, --until: no end of a session between them")
        return 2
    if json:
        print(as_json(replayed, events), flush=True)
        for line in events.remarks():
            note(line)
    else:
        Report(replayed, events, len(files), console).show()
    return 0


def as_json(replayed: Sequence[Replay], events: EventCounts) -> str:
    """An array with an object per firing, in order of time; times are RFC 3339 in UTC.

    `end` is null for an alert that fires at the end of the history. `notified` is the time of a
    notification about it; null if it was inhibited, or ended before. Alerts about unknown codes have
    `unknown_codes`: the ends of each code as sent.
    """
    rows = []
    firings = [(replay, firing) for replay in replayed for firing in replay.firings]
    for replay, firing in sorted(firings, key=lambda pair: pair[1].start):
        notified = replay.notified(firing)
        row: dict[str, object] = {
            "labels": firing.labels,
            "start": rfc3339(firing.start),
            "end": None if firing.end is None else rfc3339(firing.end),
            "notified": None if notified is None else rfc3339(notified),
        }
        if reads_unknown_codes(firing.rule) or firing.labels.get(CODE) == UNKNOWN:
            codes = events.unknown_codes.get(firing.labels.get(SYSTEM, ""), Counter())
            row["unknown_codes"] = dict(codes.most_common(MOST_SHOWN))
        rows.append(row)
    return json.dumps(rows, ensure_ascii=False, indent=2)
