"""The course of the demo: a baseline, an outage, its page, the repair, and the resolved notification."""

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx

from exporter import names
from exporter.demo import grafana, past, stack
from exporter.demo.program import Program, until
from exporter.demo.receiver import Receiver
from exporter.demo.traffic import CODE, SYSTEM, Traffic
from exporter.errors import ConfigError
from exporter.settings import PREFIX

_TIMEOUT: Final = 180.0
"""Seconds for a step; each takes less than 30 on an idle machine."""
_PAST: Final = 26 * 3600 // stack.SPEED
"""Seconds: the rules need a day of history, compressed."""
_PACE: Final = 0.4
"""Seconds between two posts: several per scrape, and few enough to keep a machine idle."""
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


def run(*, once: bool, homepath: Path | None = None) -> None:
    """Runs the demo until Ctrl-C, or with `once` until the notification is resolved.

    With a Grafana on PATH or in `homepath`, it also shows the dashboards.

    Stops every program before it returns or raises: `ConfigError` when one is not installed,
    `ChildProcessError` when one exits early, `TimeoutError` when an alert does not come or go.
    """
    for command in ("prometheus", "promtool", stack.alertmanager_command()):
        if shutil.which(command) is None:
            raise ConfigError(f"{command}: not installed; on Debian, run `make demo` as root")
    installed = grafana.find(homepath)
    # A token file among the exporter's variables would lock out the demo's Prometheus.
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
        exporter, alertmanager, prometheus = stack.programs(Path(folder), listeners)
        running.enter_context(exporter)
        running.enter_context(alertmanager)
        traffic = Traffic(client, listeners["ingest"])
        _prepare_past(listeners["ops"], traffic, Path(folder, "samples"))
        began = time.monotonic()
        running.enter_context(prometheus)
        if installed:
            running.enter_context(_grafana(Path(folder, "grafana"), installed, listeners))
        watch = _Watch(client, receiver, listeners)

        def post() -> None:
            for program in (exporter, alertmanager, prometheus):
                program.check()
            traffic.post_until(_PAST + time.monotonic() - began)
            time.sleep(_PACE)

        def has_baseline() -> bool:
            post()
            return watch.has_baseline()

        def page() -> str:
            """The title of the last page, after a step of the demo."""
            post()
            watch.log_changes()
            return watch.page

        until(has_baseline, _TIMEOUT, "a baseline in Prometheus")
        _log(f"Prometheus has a baseline: http://{listeners['prometheus']}/alerts")
        traffic.outage = True
        runbook = f"http://{listeners['ops']}{names.CODES_PATH}/{SYSTEM}/{CODE}"
        _log(f"Outage on {SYSTEM}: 33% of session ends find no worker. {runbook}")
        until(lambda: page().startswith(CODE), _TIMEOUT, f"the page for {CODE}")
        traffic.outage = False
        _log("Repair: sessions find workers again.")
        until(lambda: page().startswith("Resolved"), _TIMEOUT, f"the end of {CODE}")
        _log("Done." if once else "The demo continues until Ctrl-C.")
        while not once:
            page()


def _grafana(folder: Path, installed: tuple[Path, Path], listeners: dict[str, str]) -> Program:
    folder.mkdir()
    grafana.configure(folder, listeners["prometheus"])
    _log(f"Dashboards in Grafana: {grafana.dashboard(listeners['grafana'])}")
    return grafana.program(folder, installed, listeners["grafana"])


def _log(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:4.0f} s  {text}", flush=True)


def _prepare_past(ops: str, traffic: Traffic, database: Path) -> None:
    """Posts the past to the exporter, and imports it into Prometheus' database."""
    traffic.post_until(_PAST)

    def counted() -> bool:
        return sum(count for _, count in past.exported(ops)) == traffic.posted

    until(counted, _TIMEOUT, "the past in /metrics")
    past.backfill(past.exported(ops), _PAST // _INTERVAL, _INTERVAL, database, past.words(ops))
    _log(f"{traffic.posted:,} session ends of the past are counted: http://{ops}/")


class _Watch:
    """Logs changes of alerts in Prometheus, and the messages of Alertmanager."""

    def __init__(self, client: httpx.Client, receiver: Receiver, listeners: dict[str, str]) -> None:
        self.page = ""
        """The title of the last page."""
        self._client = client
        self._receiver = receiver
        self._prometheus = f"http://{listeners['prometheus']}"
        self._alertmanager = f"http://{listeners['alertmanager']}"
        self._alerts: dict[str, str] = {}
        """State of each alert, by summary and severity."""

    def has_baseline(self) -> bool:
        return bool(self._get("query", query=_BASELINE)["result"])

    def log_changes(self) -> None:
        before = self._alerts
        self._alerts = {
            f"{alert['annotations']['summary']} ({alert['labels']['severity']})": alert["state"]
            for alert in self._get("alerts")["alerts"]
        }
        for alert in sorted({*before, *self._alerts}):
            if (state := self._alerts.get(alert, "inactive")) != before.get(alert):
                _log(f"Prometheus: {state}: {alert}: {self._prometheus}/alerts")
        while not self._receiver.notifications.empty():
            path, message = self._receiver.notifications.get()
            (attachment,) = message["attachments"]
            _log(f"Alertmanager to {path.strip('/')}: {attachment['title']}: {self._alertmanager}/")
            for line in attachment["text"].strip().splitlines():
                _log(f"  {line}")
            if path == "/slack-page":
                self.page = attachment["title"]

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self._prometheus}/api/v1/{path}"
        return self._client.get(url, params=parameters).raise_for_status().json()["data"]
