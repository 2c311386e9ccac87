"""The demo from its first program to its last word."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from exporter import names
from exporter.demo import grafana, past, stack
from exporter.demo.ports import Ports
from exporter.demo.program import Program
from exporter.demo.receiver import Notified, Receiver
from exporter.demo.screen import Screen
from exporter.demo.traffic import CODE, INCIDENT, SYSTEM, Live, Poster
from exporter.demo.traffic import past as histories
from exporter.demo.waiting import POLL, until
from exporter.demo.watch import Prometheus
from exporter.errors import ConfigError
from exporter.simulate.incidents import KINDS

_PATIENCE: Final = 180.0
"""Seconds that a step may take; each takes less than 30 on a machine that has time."""
_RESPONSE: Final = 5.0
"""Seconds from the notification until somebody has mended it: two and a half compressed minutes."""


def tell(folder: Path, screen: Screen, *, once: bool, seed: int = 1) -> None:
    """Runs everything until Ctrl-C, or with `once` until the outage's notification was resolved.

    Raises `KeyboardInterrupt` as it comes, when every program has ended; `ConfigError` when one is not
    installed, `ChildProcessError` when one ends by itself, and `TimeoutError`, `OSError` when the alert
    does not come or go.
    """
    _installed()
    with ExitStack() as running, stack.scratch(folder) as home:
        urls = stack.Urls.choose(Ports(screen.say), grafana=bool(grafana.command()))
        receiver = running.enter_context(Receiver())
        stack.configure(home, urls, receiver.url)
        programs = [stack.exporter(home, urls), stack.pager(home, urls)]
        for one in programs:
            running.enter_context(one)
        _remember(home, urls, screen, seed)
        live = running.enter_context(Live(urls.ingest, seed))
        programs.append(running.enter_context(stack.prometheus(home, urls)))
        if urls.grafana:
            programs.append(running.enter_context(grafana.program(home, urls)))
        screen.opened(urls)
        act = _Act(screen, Prometheus(urls.prometheus), receiver, live, programs)
        act.play()
        screen.say("that was it" if once else "everything goes on until Ctrl-C")
        while not once:
            act.look()
            time.sleep(POLL)


def _installed() -> None:
    """Before anything starts: half a demo is none."""
    for name, command in (("Prometheus", "prometheus"), ("Prometheus' promtool", "promtool")):
        if shutil.which(command) is None:
            raise ConfigError(f"{name}: there is no {command} on this machine")


def _remember(home: Path, urls: stack.Urls, screen: Screen, seed: int) -> None:
    """Gives the exporter and Prometheus a past that leads up to now."""
    before = histories(seed)
    poster = Poster(urls.ingest)
    try:
        from exporter.simulate.events import events

        for history in before:
            poster.post(events(history, seed, dated=False))
    finally:
        poster.close()
    target = {"job": stack.JOB, "instance": urls.ops.removeprefix("http://")}
    total = sum(int(history.ends.sum()) for history in before)
    series = until(lambda: _complete(urls.ops, total), _PATIENCE, "the past's ends in /metrics")
    past.backfill(
        past.samples(before, series, target, int(time.time())),
        home / "prometheus" / "past.openmetrics",
        home / "prometheus" / "data",
    )
    screen.say(f"{total:,} ends of the hours before are counted, and in Prometheus")


def _complete(ops: str, total: int) -> past.Series | None:
    series = past.counted(ops)
    return series if sum(value for _, value in series.values()) == total else None


class _Act:
    """The outage: what is usual, the alert, the page, the repair, the end of the alert."""

    def __init__(
        self,
        screen: Screen,
        prometheus: Prometheus,
        receiver: Receiver,
        live: Live,
        programs: list[Program],
    ) -> None:
        self._screen = screen
        self._prometheus = prometheus
        self._receiver = receiver
        self._live = live
        self._programs = programs
        self._notified: list[Notified] = []

    def play(self) -> None:
        until(self._settled, _PATIENCE, "what is usual, in Prometheus")
        self._screen.say(
            f"usual     {self._live.accepted:,} ends were posted meanwhile; nothing is wrong"
        )
        story = KINDS[INCIDENT].story
        self._live.outage = True
        self._screen.say(f"incident  {INCIDENT} on {SYSTEM}: {story[0].lower()}{story[1:]}", "bold")
        self._wait(lambda: self._heard(resolved=False), f"the notification of {CODE}")
        mended = time.monotonic() + _RESPONSE
        self._wait(lambda: time.monotonic() >= mended, "the repair")
        self._live.outage = False
        self._screen.say("repaired  sessions find workers again", "bold")
        self._wait(lambda: self._heard(resolved=True), f"the end of {CODE}")

    def look(self) -> None:
        """Tells what is new; raises what ended a program or the traffic."""
        self._check()
        for change in self._prometheus.changes():
            self._screen.change(change)
        for one in self._receiver.come():
            self._notified.append(one)
            self._screen.notified(one)

    def _check(self) -> None:
        self._live.check()
        for program in self._programs:
            program.check()

    def _settled(self) -> bool:
        """Whether there are limits, and no page. Not told: a Prometheus that has just started misses, for
        some evaluations, the exporter that it has not scraped yet."""
        self._check()
        for _ in self._prometheus.changes():
            pass
        return self._prometheus.quiet and self._baselines()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def found() -> bool:
            self.look()
            return condition()

        until(found, _PATIENCE, what)

    def _baselines(self) -> bool:
        code = f'{{{names.SYSTEM}="{SYSTEM}", {names.CODE}="{CODE}"}}'
        return self._prometheus.has(
            f"{names.RULE_THRESHOLD}5m{code}",
            f'{names.RULE_COUNT_BY_OUTCOME}1h{{{names.SYSTEM}="{SYSTEM}"}}',
            f"{names.RULE_CODE_INFO}{code}",
        )

    def _heard(self, *, resolved: bool) -> bool:
        return any(
            one.page and one.resolved is resolved and one.labels.get(names.CODE) == CODE
            for one in self._notified
        )
