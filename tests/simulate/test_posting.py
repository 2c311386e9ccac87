"""Posting a run: the times at which events are sent, also to a slow exporter."""

from collections.abc import Iterable

import pytest

from exporter.send.delivery import Clock
from exporter.send.events import Event
from exporter.send.report import Report
from exporter.simulate.options import Run
from exporter.simulate.posting import INTERVAL, post
from exporter.simulate.scenario import MONDAY
from exporter.simulate.traffic import Traffic


class SlowExporter:
    """Stands in for `Delivery`; `delays` seconds pass during the first requests. It does not check
    answers."""

    def __init__(self, *delays: float) -> None:
        self.now = 0.0
        self.times: list[float] = []
        self.ids: list[str] = []
        self.report = Report()
        self.note = self.report.print_line
        self.clock = Clock(monotonic=lambda: self.now, sleep=self._sleep)
        self._delays = list(delays)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def deliver(self, events: Iterable[Event]) -> None:
        self.ids += [event.place for event in events]
        self.times.append(self.now)
        self.now += self._delays.pop(0) if self._delays else 0.0


def run(speed: float) -> Run:
    traffic = Traffic(ends_per_hour=100_000.0)
    return Run(("streampixel",), traffic, 60.0, MONDAY, (), 1, speed, dated=False)


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_post_sends_every_event_once_at_the_speed(speed: float) -> None:
    exporter = SlowExporter()
    post(run(speed), exporter)  # type: ignore[arg-type]
    assert len(set(exporter.ids)) == len(exporter.ids) == run(speed).histories()[0].ends.sum()
    assert exporter.times[-1] == pytest.approx(60 / speed)
    assert exporter.times[0] == pytest.approx(min(INTERVAL, 60 / speed))


def test_post_catches_up_after_a_slow_answer() -> None:
    """Fails when each step sleeps for its full length: the run would end 20 s late."""
    exporter = SlowExporter(20.0)
    post(run(1.0), exporter)  # type: ignore[arg-type]
    assert len(exporter.ids) == run(1.0).histories()[0].ends.sum()
    assert exporter.now == pytest.approx(60.0)
