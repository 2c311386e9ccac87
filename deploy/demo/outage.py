"""The course of the demo: a baseline, an outage, its page, the repair, and the resolved notification."""

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import httpx
import typer

from deploy.demo import grafana, past, stack
from deploy.demo.program import STOP_SIGNALS, Receiver, until
from exporter import names
from exporter.errors import ConfigError
from exporter.settings import PREFIX
from exporter.simulate.profiles import PROFILES

SYSTEM: Final = "streampixel"
CODE: Final = "4001"
RATE: Final = 10
"""Ends per second and system: 40 in four seconds, the shortest window of the rules on missing successes."""
_BATCH: Final = 1000
"""Events per request: the default of the setting max_events."""
_TIMEOUT: Final = 180.0
"""Seconds for a step of the demo; a step takes less than 30 on an idle machine."""
_PAST: Final = 26 * 3600 // stack.SPEED
"""Seconds of history before the demo: the rules need a simulated day."""
_POST_INTERVAL: Final = 0.4
"""Seconds between two posts: several posts per scrape, but few enough to load the machine little."""
_INTERVAL: Final = 5
"""Seconds between samples of the past: the shortest window of a spike has two samples."""
_BASELINE: Final = (
    f'{names.RULE_THRESHOLD}5m{{system="{SYSTEM}", code="{CODE}"}}'
    f" and on (system, code) {names.RULE_CODE_INFO}"
    f" and on (system) {names.RULE_COUNT_BY_OUTCOME}1h"
    ' unless on () ALERTS{severity="page"}'
)
"""Has a result when the rules have results and no page is active; before the first scrape a page is."""
_BEGAN: Final = time.monotonic()


def main(
    once: Annotated[
        bool, typer.Option("--once", help="Exit when the notification is resolved.")
    ] = False,
    homepath: Annotated[
        Path | None, typer.Option("--homepath", help="Home path of a Grafana that is not on PATH.")
    ] = None,
) -> None:
    """Run an outage with exporter, Prometheus and Alertmanager on loopback, until Ctrl-C."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        stack.check_installed()
        _run(once, grafana.find(homepath))
    except KeyboardInterrupt:
        print("Stopped: all programs of the demo have exited.")
    except (ConfigError, OSError, httpx.HTTPError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _run(once: bool, installed: tuple[Path, Path] | None) -> None:
    # With a token file in the exporter's variables, the demo's Prometheus could not scrape.
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    with (
        TemporaryDirectory(prefix="session-end-demo-") as folder,
        Receiver() as receiver,
        httpx.Client(timeout=60, trust_env=False) as client,
        ExitStack() as running,
    ):
        listeners = stack.addresses()
        stack.configure(Path(folder), listeners, receiver.url)
        programs = exporter, alertmanager, prometheus = stack.programs(Path(folder), listeners)
        running.enter_context(exporter)
        running.enter_context(alertmanager)
        ops, traffic = listeners["ops"], Traffic(client, listeners["ingest"])
        traffic.post_until(_PAST)
        until(lambda: past.total(ops) == traffic.posted, _TIMEOUT, "the past in /metrics")
        past.backfill(ops, _PAST // _INTERVAL, _INTERVAL, Path(folder, "samples"))
        _log(f"{traffic.posted:,} session ends of the past are counted: http://{ops}/")
        began = time.monotonic()
        running.enter_context(prometheus)
        if installed:
            address = listeners["grafana"]
            _log(f"Dashboards in Grafana: {grafana.dashboard(address)}")
            place = Path(folder, "grafana")
            running.enter_context(
                grafana.program(place, installed, address, listeners["prometheus"])
            )
        alerts = _Alerts(client, receiver, listeners)

        def post() -> None:
            for program in programs:
                program.check()
            traffic.post_until(_PAST + time.monotonic() - began)
            time.sleep(_POST_INTERVAL)

        def has_baseline() -> bool:
            post()
            return bool(alerts.prometheus("query", query=_BASELINE)["result"])

        def page() -> str:
            """The title of the last page, after another post."""
            post()
            return alerts.log_changes()

        until(has_baseline, _TIMEOUT, "a baseline in Prometheus")
        _log(f"Prometheus has a baseline: http://{listeners['prometheus']}/alerts")
        traffic.outage = True
        runbook = f"http://{ops}{names.CODES_PATH}/{SYSTEM}/{CODE}"
        _log(f"Outage on {SYSTEM}: 33% of session ends find no worker. {runbook}")
        until(lambda: page().startswith(CODE), _TIMEOUT, f"the page for {CODE}")
        traffic.outage = False
        _log("Repair: sessions find workers again.")
        until(lambda: page().startswith("Resolved"), _TIMEOUT, f"the end of {CODE}")
        _log("Done." if once else "The demo continues until Ctrl-C.")
        while not once:
            page()


def _log(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:4.0f} s  {text}", flush=True)


class Traffic:
    """Posts session ends to the listener `ingest` (HOST:PORT); `posted` counts them.

    During an `outage` a third of the ends of `SYSTEM` have `CODE`.
    """

    def __init__(self, client: httpx.Client, ingest: str) -> None:
        self.outage = False
        self.posted = 0
        self._client = client
        self._url = f"http://{ingest}{names.INGEST_PATH}"
        self._random = Random(1)  # noqa: S311

    def post_until(self, seconds: float) -> None:
        """Posts the ends until `seconds` after the first end."""
        due = round(seconds * RATE) - self.posted // len(PROFILES)
        events = []
        for system, profile in PROFILES.items():
            for code in self._random.choices([*profile.shares], [*profile.shares.values()], k=due):
                fails = self.outage and system == SYSTEM and self._random.random() < 1 / 3
                events.append({"system": system, "code": CODE if fails else code})
        for start in range(0, len(events), _BATCH):
            batch = events[start : start + _BATCH]
            self._client.post(self._url, json=batch).raise_for_status()
        self.posted += len(events)


@dataclass
class _Alerts:
    """Alerts of Prometheus, with their state, and the messages that Alertmanager sends about them."""

    client: httpx.Client
    receiver: Receiver
    listeners: dict[str, str]
    states: dict[str, str] = field(default_factory=dict)
    page: str = ""

    def log_changes(self) -> str:
        """Logs what changed since the last call; returns the title of the last page."""
        prometheus, alertmanager = (
            f"http://{self.listeners[name]}" for name in ("prometheus", "alertmanager")
        )
        before = self.states
        self.states = {
            f"{alert['annotations']['summary']} ({alert['labels']['severity']})": alert["state"]
            for alert in self.prometheus("alerts")["alerts"]
        }
        for alert in sorted({*before, *self.states}):
            if (state := self.states.get(alert, "inactive")) != before.get(alert):
                _log(f"Prometheus: {state}: {alert}: {prometheus}/alerts")
        while not self.receiver.notifications.empty():
            path, message = self.receiver.notifications.get()
            (attachment,) = message["attachments"]
            _log(f"Alertmanager to {path.strip('/')}: {attachment['title']}: {alertmanager}/")
            for line in attachment["text"].strip().splitlines():
                _log(f"  {line}")
            if path == "/slack-page":
                self.page = attachment["title"]
        return self.page

    def prometheus(self, path: str, **parameters: str) -> Any:
        """The data of an answer of Prometheus' API."""
        url = f"http://{self.listeners['prometheus']}/api/v1/{path}"
        return self.client.get(url, params=parameters).raise_for_status().json()["data"]
