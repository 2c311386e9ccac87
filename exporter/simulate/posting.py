"""Posts a run to an exporter as its simulated time passes."""

from collections.abc import Iterator
from typing import Final

import msgspec

from exporter.send.connection import Undelivered
from exporter.send.delivery import Delivery
from exporter.send.events import Event
from exporter.simulate.events import merged
from exporter.simulate.options import Run, rfc3339

INTERVAL: Final = 0.5
"""Seconds between two requests: several per scrape, and few enough to keep a machine idle."""


def post(run: Run, delivery: Delivery) -> None:
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
    """Posts due events every `INTERVAL` seconds. A slow exporter delays events and drops none."""
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
            event = following[1]
            delivery.report.read += 1
            yield Event(f"simulated event {event['id']}", msgspec.json.encode(event))
            following = next(events, None)

    clock = delivery.clock
    began = clock.monotonic()
    passed = 0.0
    while passed < run.seconds:
        passed = min(passed + run.speed * INTERVAL, run.seconds)
        early = passed / run.speed - (clock.monotonic() - began)
        if early > 0:
            clock.sleep(early)
        delivery.deliver(due(run.start + passed))
        while messages and messages[0][0] <= run.start + passed:
            delivery.note(messages.pop(0)[1])
