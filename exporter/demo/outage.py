"""The course of the demo: a baseline, an outage, its page, the repair, and the resolved notification."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from exporter import names
from exporter.demo import past, stack
from exporter.demo.program import Program, require, until
from exporter.demo.receiver import Receiver
from exporter.demo.traffic import CODE, INCIDENT, SYSTEM, LiveTraffic
from exporter.demo.traffic import past as past_histories
from exporter.send.delivery import Clock
from exporter.simulate.events import events
from exporter.simulate.incidents import STORIES
from exporter.simulate.posting import Poster

_TIMEOUT: Final = 180.0
"""Seconds for a step; each takes less than 30 on an idle machine."""
_REPAIR: Final = 5.0
"""Seconds from the page to the repair."""
Log = Callable[[str], None]


def run(folder: Path, *, once: bool) -> None:
    """Runs the demo until Ctrl-C, or with `once` until the notification is resolved.

    Stops every program before it returns or raises: `ConfigError` when one is not installed,
    `ChildProcessError` when one exits early, `TimeoutError` when an alert does not come or go.
    """
    began = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {text}", flush=True)

    for command in ("prometheus", "promtool", stack.alertmanager_command()):
        require(command)
    with ExitStack() as running, stack.workspace(folder) as home:
        addresses = stack.choose_addresses()
        receiver = running.enter_context(Receiver())
        stack.configure(home, addresses, receiver.url)
        exporter, alertmanager, prometheus = stack.programs(home, addresses)
        running.enter_context(exporter)
        running.enter_context(alertmanager)
        poster = running.enter_context(closing(Poster(f"http://{addresses.ingest}", Clock(), log)))
        _prepare_past(home, addresses, poster, log)
        live = running.enter_context(LiveTraffic(poster))
        running.enter_context(prometheus)
        demo = _Outage(addresses, receiver, live, (exporter, alertmanager, prometheus), log)
        demo.play()
        log("Done." if once else "The demo continues until Ctrl-C.")
        while not once:
            demo.poll()
            time.sleep(0.1)


def _prepare_past(home: Path, addresses: stack.Addresses, poster: Poster, log: Log) -> None:
    """Posts the past to the exporter, and imports it into Prometheus' database."""
    histories = past_histories()
    for history in histories:
        poster.post(event for _, event in events(history, dated=False))
    total = poster.report.accepted
    series = until(lambda: past.counted(addresses.ops, total), _TIMEOUT, "the past in /metrics")
    target = {"job": stack.JOB, "instance": addresses.ops}
    lines = past.openmetrics(histories, series, target, int(time.time()))
    folder = home / "prometheus"
    past.backfill(lines, folder / "past.openmetrics", folder / "data")
    log(f"{total:,} session ends of the past are counted: http://{addresses.ops}/")


@dataclass
class _Outage:
    """Logs changes of alerts and notifications while the outage takes its course."""

    addresses: stack.Addresses
    receiver: Receiver
    live: LiveTraffic
    programs: Sequence[Program]
    log: Log
    alerts: dict[str, str] = field(default_factory=dict)
    page: str = ""
    """Status of the last page for `CODE`."""

    def play(self) -> None:
        until(self._has_baseline, _TIMEOUT, "a baseline in Prometheus")
        self.log(f"Prometheus has a baseline: http://{self.addresses.prometheus}/alerts")
        self.live.outage = True
        runbook = f"http://{self.addresses.ops}{names.CODES_PATH}/{SYSTEM}/{CODE}"
        self.log(f"Outage on {SYSTEM}: {STORIES[INCIDENT]} {runbook}")
        until(lambda: self.poll() == "firing", _TIMEOUT, f"the notification of {CODE}")
        repair = time.monotonic() + _REPAIR
        until(lambda: self.poll() and time.monotonic() >= repair, _TIMEOUT, "the repair")
        self.live.outage = False
        self.log("Repair: sessions find workers again.")
        until(lambda: self.poll() == "resolved", _TIMEOUT, f"the end of {CODE}")

    def poll(self) -> str:
        """Logs changes and returns `page`. Raises what has ended a program or the traffic."""
        before, now = self.alerts, self._current_alerts()
        for alert in sorted({*before, *now}):
            if (state := now.get(alert, "inactive")) != before.get(alert):
                url = f"http://{self.addresses.prometheus}/alerts"
                self.log(f"Prometheus: {state}: {alert}: {url}")
        for notification in self.receiver.notifications():
            for alert in notification["alerts"]:
                self._log_notification(notification["receiver"], **alert)
        return self.page

    def _log_notification(
        self,
        receiver: str,
        status: str,
        labels: dict[str, str],
        annotations: dict[str, str],
        **_: object,
    ) -> None:
        url = f"http://{self.addresses.alertmanager}/"
        self.log(f"Alertmanager to {receiver}: {status}: {annotations['summary']}: {url}")
        if labels["severity"] == "page" and labels.get(names.CODE) == CODE:
            self.page = status
            for name in ("description", "causes", "fix", "runbook_url"):
                if status == "firing":
                    self.log(f"  {name}: {annotations.get(name, '')}")

    def _current_alerts(self) -> dict[str, str]:
        """Reads the state of each alert, by summary and severity, into `alerts`."""
        self.live.check()
        for program in self.programs:
            program.check()
        self.alerts = {
            f"{alert['annotations']['summary']} ({alert['labels']['severity']})": alert["state"]
            for alert in self._get("alerts")["alerts"]
        }
        return self.alerts

    def _has_baseline(self) -> bool:
        """Whether the rules have results and no page is active: some are before the first scrape."""
        code = f'{{{names.SYSTEM}="{SYSTEM}", {names.CODE}="{CODE}"}}'
        queries = (
            f"{names.RULE_THRESHOLD}5m{code}",
            f'{names.RULE_COUNT_BY_OUTCOME}1h{{{names.SYSTEM}="{SYSTEM}"}}',
            f"{names.RULE_CODE_INFO}{code}",
        )
        pages = [alert for alert in self._current_alerts() if alert.endswith("(page)")]
        return not pages and all(self._get("query", query=each)["result"] for each in queries)

    def _get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        url = f"http://{self.addresses.prometheus}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]
