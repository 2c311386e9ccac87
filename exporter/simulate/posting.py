"""Posts a run to an exporter as its simulated time passes."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from exporter.send.connection import Connection, Undelivered
from exporter.send.delivery import Clock, Delivery
from exporter.send.events import Event as EncodedEvent
from exporter.send.options import Options as SendOptions
from exporter.send.report import Report
from exporter.simulate.events import Event, merged
from exporter.simulate.options import Run, rfc3339

PACE: Final = 0.5
"""Seconds between two requests: several per scrape, and few enough to keep a machine idle."""
Log = Callable[[str], None]


class Poster:
    """Posts events to an ingest listener; `report` counts the answers.

    Raises `ConfigError` for an unusable URL or token file; `post` raises `Undelivered`.
    """

    def __init__(self, url: str, clock: Clock, log: Log, token_file: Path | None = None) -> None:
        options = SendOptions(url=url, token_file=token_file)
        connection = Connection(options)
        self.close = connection.close
        self.report = Report(print_line=log)
        self._delivery = Delivery(connection, options, self.report, clock=clock, note=log)

    def post(self, events: Iterable[Event]) -> None:
        self._delivery.deliver(self._encoded(events))

    def _encoded(self, events: Iterable[Event]) -> Iterator[EncodedEvent]:
        for event in events:
            self.report.read += 1
            yield EncodedEvent(f"simulated event {event['id']}", msgspec.json.encode(event))


def post(run: Run, poster: Poster, clock: Clock, log: Log) -> Report:
    """Posts the whole run, or until Ctrl-C, which is not an error.

    The report's `error` tells why events could not be delivered.
    """
    report = poster.report
    began = clock.monotonic()
    try:
        _play(run, poster, clock, log)
    except Undelivered as error:
        report.error = str(error)
    except KeyboardInterrupt:
        log("Interrupted; events posted until now:")
    finally:
        poster.close()
    report.seconds = clock.monotonic() - began
    return report


def _play(run: Run, poster: Poster, clock: Clock, log: Log) -> None:
    """Posts due events every `PACE` seconds. A slow exporter delays events and drops none."""
    histories = run.histories()
    messages = sorted(
        (time, f"{rfc3339(time)} {change}: {incident}")
        for history in histories
        for incident in history.incidents
        for time, change in ((incident.start, "start"), (incident.end, "end"))
    )
    events = merged(histories, run.seed, dated=run.dated)
    following = next(events, None)

    def due(time: float) -> Iterator[Event]:
        """The events before `time` that have not been read yet."""
        nonlocal following
        while following is not None and following[0] < time:
            yield following[1]
            following = next(events, None)

    began = clock.monotonic()
    passed = 0.0
    while passed < run.seconds:
        passed = min(passed + run.speed * PACE, run.seconds)
        early = passed / run.speed - (clock.monotonic() - began)
        if early > 0:
            clock.sleep(early)
        poster.post(due(run.start + passed))
        while messages and messages[0][0] <= run.start + passed:
            log(messages.pop(0)[1])
