"""A run posted to an exporter as its time goes by, with the bar and the news of its incidents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.send.connection import Connection, Undelivered
from exporter.send.delivery import Clock, Delivery
from exporter.send.events import Event
from exporter.send.options import Options as Sending
from exporter.send.report import Report
from exporter.simulate.catalogue import described
from exporter.simulate.events import merged
from exporter.simulate.history import Incident
from exporter.simulate.live import play
from exporter.simulate.options import Options, Run, rfc3339

if TYPE_CHECKING:
    from rich.console import Console

Say = Callable[[str], None]


def post(options: Options, run: Run, console: "Console", say: Say, clock: Clock) -> Report:
    """Posts the whole run, or what there is of it until Ctrl-C, which is no error.

    The report's `error` says why not all could be delivered. Raises `ConfigError` when the URL or the
    token file can't be used, before anything is simulated.
    """
    sending = Sending(url=options.url or "", token_file=options.token_file)
    connection = Connection(sending)
    report = Report(print_line=say)
    began = clock.monotonic()
    try:
        histories = run.histories()
        news = News([one for history in histories for one in history.incidents], say, run.start)
        with _shown(console, report, run, news) as show:
            delivery = Delivery(connection, sending, report, clock=clock, progress=show, note=say)

            def tell(now: float) -> None:
                news.tell(now)
                show()

            play(
                merged(histories, run.seed, dated=run.dated),
                run.start,
                run.start + run.seconds,
                options.speed,
                clock,
                lambda due: delivery.deliver(_bodies(due, report)),
                tell,
            )
    except Undelivered as error:
        report.error = str(error)
    except KeyboardInterrupt:
        say("interrupted: this is what was posted")
    finally:
        connection.close()
    report.seconds = clock.monotonic() - began
    return report


def _bodies(due: Iterator[dict[str, Any]], report: Report) -> Iterator[Event]:
    encode = msgspec.json.Encoder().encode
    for event in due:
        report.read += 1
        yield Event(f"simulated event {event['id']}", encode(event))


class News:
    """What goes on at the simulated time, `now` in Unix seconds: incidents that begin and end."""

    def __init__(self, incidents: list[Incident], say: Say, now: float) -> None:
        self._incidents = incidents
        self._say = say
        self.now = now

    def tell(self, now: float) -> None:
        """Says what has begun and ended since it was told last."""
        happened = []
        for one in self._incidents:
            if self.now <= one.start < now:
                happened.append((one.start, f"{described(one)} begins"))
            if self.now < one.end <= now:
                happened.append((one.end, f"{described(one)} is over"))
        for at, text in sorted(happened):
            self._say(f"{rfc3339(at)} {text}")
        self.now = now

    def running(self) -> str:
        """The names of the incidents that go on, or ""."""
        going = [one.name for one in self._incidents if one.start <= self.now < one.end]
        return ", ".join(going)


@contextmanager
def _shown(
    console: "Console", report: Report, run: Run, news: News
) -> Iterator[Callable[[], None]]:
    if not console.is_terminal:
        yield lambda: None
        return
    from exporter.simulate.progress import progress

    def position() -> tuple[float, str]:
        clock = datetime.fromtimestamp(news.now, UTC).strftime("%a %H:%M")
        return news.now - run.start, f"{clock} {news.running()}".rstrip()

    with progress(console, report, run.seconds, position) as show:
        yield show
