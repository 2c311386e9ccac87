"""`session-end-exporter simulate`, after its flags are parsed."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final, TextIO

import msgspec

from exporter.errors import ConfigError
from exporter.send.connection import Connection, Undelivered
from exporter.send.delivery import Clock, Delivery
from exporter.send.events import Event
from exporter.send.options import Options as SendOptions
from exporter.send.report import Report
from exporter.simulate.events import merged, ndjson
from exporter.simulate.history import expected_alert
from exporter.simulate.incidents import DESCRIPTIONS, KINDS
from exporter.simulate.openmetrics import daily
from exporter.simulate.options import Options, Run
from exporter.timestamps import rfc3339

STDOUT: Final = Path("-")
_SEEDS: Final = 1_000_000
_INTERVAL: Final = 0.5
"""Seconds between two requests: several per scrape, and few enough to keep a machine idle."""


def simulate(options: Options, out: TextIO, clock: Clock | None = None) -> int:
    """Simulates, writes or posts, and logs to `out`; returns the exit code.

    0: done, or posting interrupted by Ctrl-C. 1: an exporter rejected events. 2: wrong usage, a file that
    cannot be written, or events that could not be delivered.
    """

    def log(text: str) -> None:
        print(text, file=out, flush=True)

    clock = clock or Clock()
    try:
        run = options.run(clock.wall(), int(clock.uniform(0, _SEEDS)))
        log(f"To repeat this run: --seed {run.seed} --start {rfc3339(run.start)}")
        if options.url is None:
            _write(options, run, log)
            return 0
        posting = SendOptions(url=options.url, token_file=options.token_file)
        report = Report(print_line=log)
        with closing(Connection(posting)) as connection:
            _post(run, Delivery(connection, posting, report, clock, note=log))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    log(f"{report.error}\n{report.summary()}".lstrip())
    return report.exit_code


def incident_list() -> str:
    """Every incident with its duration, expected alert, codes and description."""
    lines = []
    for name, kind in KINDS.items():
        codes = ", ".join(" ".join((system, *codes)) for system, codes in kind.codes.items())
        alert = expected_alert(kind.expects, kind.signals)
        lines.append(f"{name}: {alert}, lasts {timedelta(seconds=kind.seconds)}")
        lines += [f"  {codes}", f"  {DESCRIPTIONS[name]}"]
    return "\n".join(lines)


def _write(options: Options, run: Run, log: Callable[[str], None]) -> None:
    histories = run.histories()
    if options.ndjson is not None:
        _write_file("--ndjson", options.ndjson, ndjson(histories, run.seed))
    if options.openmetrics is not None:
        for date, text in daily(histories):
            _write_file("--openmetrics", options.openmetrics / f"{date}.om", text)
    for history in histories:
        for incident in history.incidents:
            log(f"{rfc3339(incident.start)} to {rfc3339(incident.end)}: {incident}")
        log(f"{history.system}: {history.ends.sum():,} ends until {rfc3339(history.end)}")


def _write_file(flag: str, path: Path, text: Iterable[str]) -> None:
    if path == STDOUT:
        sys.stdout.writelines(text)
        sys.stdout.flush()
        return
    try:
        if flag == "--openmetrics":
            path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(text)
    except OSError as error:
        raise ConfigError(f"{flag} {path}: {error.strerror or error}") from None


def _post(run: Run, delivery: Delivery) -> None:
    """Posts the whole run, or until Ctrl-C, which is not an error.

    Incidents go to the delivery's `note`. The report's `error` tells why events could not be delivered.
    """
    began = delivery.clock.monotonic()
    try:
        _play(run, delivery)
    except Undelivered as error:
        delivery.report.error = str(error)
    except KeyboardInterrupt:
        delivery.note("Interrupted; events posted until now:")
    delivery.report.seconds = delivery.clock.monotonic() - began


def _play(run: Run, delivery: Delivery) -> None:
    """Posts due events every `_INTERVAL` seconds. A slow exporter delays events and drops none."""
    histories = run.histories()
    messages = sorted(
        (time, f"{rfc3339(time)} {change}: {incident}")
        for history in histories
        for incident in history.incidents
        for time, change in ((incident.start, "start"), (incident.end, "end"))
    )
    # Without `occurred_at`, simulated times: such ends would be too late for alerts.
    events = merged(histories, run.seed)
    following = next(events, None)

    def due(time: float) -> Iterator[Event]:
        """The events before `time` that have not been read yet."""
        nonlocal following
        while following is not None and following[0] < time:
            event = following[1]
            delivery.report.read += 1
            yield Event(f"simulated event {event['id']}", msgspec.json.encode(event))
            following = next(events, None)

    clock = delivery.clock
    began = clock.monotonic()
    passed = 0.0
    while passed < run.seconds:
        passed = min(passed + run.speed * _INTERVAL, run.seconds)
        early = passed / run.speed - (clock.monotonic() - began)
        if early > 0:
            clock.sleep(early)
        delivery.deliver(due(run.start + passed))
        while messages and messages[0][0] <= run.start + passed:
            delivery.note(messages.pop(0)[1])
