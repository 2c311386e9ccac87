"""Exporter, Prometheus, Alertmanager, a webhook and a mail server with the shipped rules and configuration.

Durations are shorter, so an incident takes seconds. Prometheus starts with three hours of scrapes, which
give the rules a baseline.
"""

import contextlib
import http.client
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from deploy.demo import past, stack
from tests.alertmanager import shipped
from tests.e2e.alertmanager_process import AlertmanagerProcess, MailReceiver, WebhookReceiver
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess, free_port

SYSTEMS = ("streampixel", "softdrive")
PER_SECOND = 2
"""Session ends per second of each system, backfilled and live."""
PAST = 3 * 3600
INTERVAL = 15
"""Seconds between two samples of the past."""
SPEED = 15
"""Durations are divided by this: the greatest divisor with which all are whole seconds."""
LONG = 300.0
"""Seconds; on an idle machine a condition takes up to 30."""
ACME = (ROOT / "tests/testdata/taxonomy/valid.yaml").read_text()


def normal_ends(number: int) -> list[dict[str, object]]:
    """One end per system. 97 % of the ends of streampixel are normal, and all ends of softdrive."""
    code = {0: 4001, 33: 4005, 66: 1006}.get(number % 100, 1000)
    return [
        {"id": f"streampixel-{number}", "system": "streampixel", "code": code},
        {"id": f"softdrive-{number}", "system": "softdrive", "code": "none"},
    ]


class Traffic:
    """Posts normal ends, except of systems in `silent`, and the ends in `more`, while the `with` block
    runs."""

    def __init__(self, exporter: ExporterProcess, first: int) -> None:
        self.silent: tuple[str, ...] = ()
        self.more: tuple[dict[str, object], ...] = ()
        """Further events of each post, without ids."""
        self.errors: list[object] = []
        """Failed posts."""
        self._exporter = exporter
        self._numbers = itertools.count(first)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1 / PER_SECOND):
            number = next(self._numbers)
            normal = [end for end in normal_ends(number) if end["system"] not in self.silent]
            more = [{"id": f"more-{number}-{i}", **end} for i, end in enumerate(self.more)]
            try:
                reply = self._exporter.post([*normal, *more])
                if reply.status != 200:
                    self.errors.append(reply.body)
            except (OSError, KeyError, http.client.HTTPException) as error:
                self.errors.append(error)


@dataclass
class Pager:
    """The running programs, and the pages (not tickets) that Alertmanager sent.

    `mail` receives the same pages as e-mail, `slack` has them as attachments after a call of `pages`.
    """

    exporter: ExporterProcess
    prometheus: PrometheusProcess
    traffic: Traffic
    webhook: WebhookReceiver
    mail: MailReceiver
    taxonomy: Path
    ops: str
    slack: list[Any] = field(default_factory=list)
    _pages: list[Any] = field(default_factory=list)

    def pages(self, system: str | None = None) -> list[Any]:
        """The pages so far about a system, or about the exporter itself when `system` is None."""
        for path, body in self.webhook.rest():
            if path == "/page":
                self._pages.append(body)
            elif path == "/slack":
                self.slack += body["attachments"]
        return [page for page in self._pages if page["groupLabels"].get("system") == system]

    def wait(self, status: str, *alerts: str, system: str | None = None) -> Any:
        """The first page with this status that contains these alerts."""

        def received() -> Any:
            pages = (page for page in self.pages(system) if page["status"] == status)
            return next((page for page in pages if set(alerts) <= alert_names(page)), None)

        return wait_for(received, LONG, f"{status} {alerts}")

    def wait_for_result(self, promql: str, what: str) -> None:
        wait_for(lambda: self.prometheus.query(promql), LONG, what)

    def present(self, promql: str) -> Callable[[], bool]:
        """A condition: the query has a value for each system."""
        return lambda: (
            set(SYSTEMS) <= {dict(labels)["system"] for labels in self.prometheus.query(promql)}
        )


def alert_names(*pages: Any, status: str = "") -> set[str]:
    """Alert name and code of each alert in these pages, optionally only those with this status."""
    return {
        " ".join(filter(None, (alert["labels"]["alertname"], alert["labels"].get("code"))))
        for page in pages
        for alert in page["alerts"]
        if status in ("", alert["status"])
    }


@pytest.fixture(scope="module")
def pager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pager]:
    """Starts everything, and waits until the rules have results and no page is active."""
    folder = tmp_path_factory.mktemp("pager")
    taxonomy, manager = folder / "taxonomy", folder / "alertmanager"
    taxonomy.mkdir()
    manager.mkdir()
    # A folder of taxonomies must not be empty.
    (taxonomy / "other.yaml").write_text(ACME.replace("system: acme", "system: other"))
    flags = ("--ops", f"127.0.0.1:{free_port()}", "--ingest", f"127.0.0.1:{free_port()}")
    with contextlib.ExitStack() as running:
        webhook = running.enter_context(WebhookReceiver())
        mail = running.enter_context(MailReceiver())
        config = shipped.with_webhooks(manager, webhook.url, mail.address)
        # Longer than an evaluation of the rules, on a busy machine too.
        config.write_text(re.sub(r"\bgroup_wait: \w+", "group_wait: 4s", config.read_text()))
        alertmanager = running.enter_context(AlertmanagerProcess(config))
        exporter = running.enter_context(
            ExporterProcess(folder / "data", *flags, "--taxonomy", str(taxonomy))
        )
        ends = PAST * PER_SECOND
        for first in range(0, ends, 400):
            events = [event for n in range(first, first + 400) for event in normal_ends(n)]
            assert exporter.post(events).json["accepted"] == 800
        wait_for(lambda: exporter.total("session_ends_total") == 2 * ends, what="the past's ends")
        ops = f"127.0.0.1:{exporter.ports['ops']}"
        prometheus = PrometheusProcess(folder / "prometheus", [])
        listeners = {"ops": ops, "alertmanager": f"127.0.0.1:{alertmanager.port}"}
        stack.configure(folder / "prometheus", listeners, webhook.url, SPEED)
        for path in (folder / "prometheus" / "rules").glob("*.yml"):
            # An evaluation each second instead of every two: a spike is seen in time.
            path.write_text(path.read_text().replace("interval: 2s", "interval: 1s"))
        past.backfill(ops, PAST // INTERVAL, INTERVAL, folder / "prometheus" / "data")
        traffic = running.enter_context(Traffic(exporter, ends))
        running.enter_context(prometheus)
        started = Pager(exporter, prometheus, traffic, webhook, mail, taxonomy, ops)
        compared = 'system_outcome:session_ends:increase1h{outcome="success"} offset 15s'
        wait_for(started.present(compared), LONG, "baselines")
        words = "system_code:session_end_code_info:newest"
        wait_for(started.present(words), LONG, "the exporter's words")
        pages = 'ALERTS{severity="page"}'
        wait_for(lambda: not prometheus.query(pages), LONG, "no active page")
        yield started
