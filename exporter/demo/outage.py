"""The course of the demo: a baseline, an outage, its page, the repair, and the resolved notification."""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from exporter import names
from exporter.demo import past, stack
from exporter.demo.program import Program, until
from exporter.demo.receiver import Receiver
from exporter.demo.traffic import CODE, SYSTEM, Traffic
from exporter.errors import ConfigError
from exporter.settings import PREFIX

_TIMEOUT: Final = 180.0
"""Seconds for a step; each takes less than 30 on an idle machine."""
_PAST: Final = 26 * 3600 // stack.SPEED
"""Seconds: the rules need a day of history, compressed."""
_INTERVAL: Final = 5
"""Seconds between samples of the past: two in the shortest window of a spike."""
_BASELINE: Final = (
    f'{names.RULE_THRESHOLD}5m{{system="{SYSTEM}", code="{CODE}"}}'
    f" and on (system, code) {names.RULE_CODE_INFO}"
    f" and on (system) {names.RULE_COUNT_BY_OUTCOME}1h"
    ' unless on () ALERTS{severity="page"}'
)
"""The rules have results, and no page is active: some are before the first scrape."""
_BEGAN: Final = time.monotonic()


def run(*, once: bool) -> None:
    """Runs the demo until Ctrl-C, or with `once` until the notification is resolved.

    Stops every program before it returns or raises: `ConfigError` when one is not installed,
    `ChildProcessError` when one exits early, `TimeoutError` when an alert does not come or go.
    """
    for command in ("prometheus", "promtool", stack.alertmanager_command()):
        if shutil.which(command) is None:
            raise ConfigError(f"{command}: not installed; on Debian, run `make demo` as root")
    # A token file among the exporter's variables would lock out the demo's Prometheus.
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        del os.environ[name]
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(prefix="session-end-demo-")))
        receiver = running.enter_context(Receiver())
        client = running.enter_context(httpx.Client(timeout=60, trust_env=False))
        listeners = stack.addresses()
        urls = {name: f"http://{address}" for name, address in listeners.items()}
        stack.configure(folder, listeners, receiver.url)
        exporter, alertmanager, prometheus = programs = stack.programs(folder, listeners)
        running.enter_context(exporter)
        running.enter_context(alertmanager)
        traffic = Traffic(client, listeners["ingest"])
        _prepare_past(listeners["ops"], traffic, folder / "samples")
        demo = _Demo(client, receiver, urls, traffic, programs)
        running.enter_context(prometheus)
        demo.play()
        _log("Done." if once else "The demo continues until Ctrl-C.")
        while not once:
            demo.step()


def _log(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:4.0f} s  {text}", flush=True)


def _prepare_past(ops: str, traffic: Traffic, database: Path) -> None:
    """Posts the past to the exporter, and imports it into Prometheus' database."""
    traffic.post_until(_PAST)

    def counted() -> bool:
        return sum(count for _, count in past.exported(ops)) == traffic.posted

    until(counted, _TIMEOUT, "the past in /metrics")
    past.backfill(past.exported(ops), _PAST // _INTERVAL, _INTERVAL, database)
    _log(f"{traffic.posted:,} session ends of the past are counted: http://{ops}/")


@dataclass
class _Demo:
    """Posts traffic, and logs what changes in Prometheus and what Alertmanager sends."""

    client: httpx.Client
    receiver: Receiver
    urls: Mapping[str, str]
    traffic: Traffic
    programs: Sequence[Program]
    began: float = field(default_factory=time.monotonic)
    alerts: dict[str, str] = field(default_factory=dict)
    """State of each alert, by summary and severity."""
    page: str = ""
    """The title of the last page."""

    def play(self) -> None:
        """The outage, from the baseline to the resolved notification."""
        until(self._has_baseline, _TIMEOUT, "a baseline in Prometheus")
        _log(f"Prometheus has a baseline: {self.urls['prometheus']}/alerts")
        self.traffic.outage = True
        runbook = f"{self.urls['ops']}{names.CODES_PATH}/{SYSTEM}/{CODE}"
        _log(f"Outage on {SYSTEM}: 33% of session ends find no worker. {runbook}")
        until(lambda: self.step().startswith(CODE), _TIMEOUT, f"the notification of {CODE}")
        self.traffic.outage = False
        _log("Repair: sessions find workers again.")
        until(lambda: self.step().startswith("Resolved"), _TIMEOUT, f"the end of {CODE}")

    def step(self) -> str:
        """Posts traffic, logs changes and returns the title of the last page."""
        before = self.alerts
        self._advance()
        for alert in sorted({*before, *self.alerts}):
            if (state := self.alerts.get(alert, "inactive")) != before.get(alert):
                _log(f"Prometheus: {state}: {alert}: {self.urls['prometheus']}/alerts")
        while not self.receiver.notifications.empty():
            path, message = self.receiver.notifications.get()
            (attachment,) = message["attachments"]
            url = self.urls["alertmanager"]
            _log(f"Alertmanager to {path.strip('/')}: {attachment['title']}: {url}/")
            for line in attachment["text"].strip().splitlines():
                _log(f"  {line}")
            if path == "/slack-page":
                self.page = attachment["title"]
        return self.page

    def _advance(self) -> None:
        """Posts the due traffic and reads the alerts. Raises the error of a program that has exited."""
        for program in self.programs:
            program.check()
        self.traffic.post_until(_PAST + time.monotonic() - self.began)
        self.alerts = {
            f"{alert['annotations']['summary']} ({alert['labels']['severity']})": alert["state"]
            for alert in self._get("alerts")["alerts"]
        }
        time.sleep(0.4)

    def _has_baseline(self) -> bool:
        self._advance()
        return bool(self._get("query", query=_BASELINE)["result"])

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self.urls['prometheus']}/api/v1/{path}"
        return self.client.get(url, params=parameters).raise_for_status().json()["data"]
