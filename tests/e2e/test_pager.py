"""Pages from end to end: exporter, Prometheus and Alertmanager (Debian's packages) and a webhook.

The rules, prometheus.yml and alertmanager.yml are the shipped ones with shorter durations
(`history.quick_rules`, `_quick`), so an incident takes seconds. The first counts are backfilled as three
hours of scrapes, which gives the rules a baseline. Each test starts and ends with normal traffic.
"""

import contextlib
import http.client
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tests.alertmanager import shipped
from tests.e2e import history
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookCatcher
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess, free_port

SYSTEMS = ("streampixel", "softdrive")
PER_SECOND = 2
"""Session ends per second of each system, backfilled and live."""
LONG = 300.0
"""Seconds; on an idle machine a condition takes up to 30."""


ACME = """
system: acme
title: Acme Streaming
source: Session errors
phase_source: derived
normal: ok
categories:
  closure: Ordinary closures
  network: Network
codes:
  - code: ok
    name: Session Ended
    phase: stream
    category: closure
    outcome: success
    owner: nobody
    severity: none
    description: The session ended.
    causes: The user left.
    fix: Nothing to fix.
  - code: "07"
    name: Link Lost
    phase: keep_alive
    category: network
    outcome: failure
    owner: customer_network
    severity: page
    description: The connection went away.
    causes: A {{ bad }} cable.
    fix: Replace the "cable".
"""
"""A platform added by the user."""


def normal_ends(number: int) -> list[dict[str, object]]:
    """One end of each system: 97 % of streampixel's are normal, and all of softdrive's."""
    code = {0: 4001, 33: 4005, 66: 1006}.get(number % 100, 1000)
    return [
        {"id": f"streampixel-{number}", "system": "streampixel", "code": code},
        {"id": f"softdrive-{number}", "system": "softdrive", "code": "none"},
    ]


class Traffic:
    """Posts normal ends until the `with` block ends, except for the systems in `silent`, plus three ends of
    each code in `outage`."""

    def __init__(self, exporter: ExporterProcess, first: int) -> None:
        self.outage: tuple[int, ...] = ()
        self.silent: tuple[str, ...] = ()
        self.more: tuple[dict[str, object], ...] = ()
        """Further events, without ids."""
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
            failed = [
                {"id": f"outage-{number}-{code}-{n}", "system": "streampixel", "code": code}
                for code in self.outage
                for n in range(3)
            ]
            failed += [
                {"id": f"more-{number}-{place}", **event} for place, event in enumerate(self.more)
            ]
            sent = [end for end in normal_ends(number) if end["system"] not in self.silent]
            try:
                reply = self._exporter.post([*sent, *failed])
                if reply.status != 200:
                    self.errors.append(reply.body)
            except (OSError, KeyError, http.client.HTTPException) as error:
                self.errors.append(error)


@dataclass
class Pager:
    """The running programs, and the pages (not tickets) received since the last `forget`."""

    exporter: ExporterProcess
    prometheus: PrometheusProcess
    traffic: Traffic
    webhook: WebhookCatcher
    taxonomy: Path
    pages: list[Any] = field(default_factory=list)

    def wait(self, status: str, *alerts: str) -> Any:
        """The first page with this status that contains these alerts."""

        def received() -> Any:
            self.receive()
            same = (page for page in self.pages if page["status"] == status)
            return next((page for page in same if set(alerts) <= names(page)), None)

        return wait_for(received, LONG, f"{status} {alerts}")

    def receive(self) -> list[Any]:
        for path, body in self.webhook.rest():
            if path.startswith("/page-"):
                self.pages.append(body)
        return self.pages

    def forget(self) -> None:
        self.receive()
        self.pages.clear()
        self.traffic.errors.clear()

    def present(self, promql: str) -> Callable[[], bool]:
        """A condition: the query has a value for each system."""
        return lambda: (
            set(SYSTEMS) <= {dict(labels)["system"] for labels in self.prometheus.query(promql)}
        )


def names(*pages: Any, status: str = "") -> set[str]:
    """Alert name and code of each alert in these pages, optionally only those with this status."""
    alerts = [alert for page in pages for alert in page["alerts"]]
    return {
        " ".join(filter(None, (alert["labels"]["alertname"], alert["labels"].get("code"))))
        for alert in alerts
        if status in ("", alert["status"])
    }


def _quick(config: Path) -> Path:
    """The shipped group_wait (40 s) is longer than the interval of the rules (30 s). Here the interval is a
    second, and several on a busy machine."""
    text = re.sub(r"\bgroup_wait: \w+", "group_wait: 4s", config.read_text())
    config.write_text(text)
    return config


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pager]:
    folder = tmp_path_factory.mktemp("pager")
    past = history.HOURS * 3600 * PER_SECOND
    taxonomy = _made(folder / "taxonomy")
    # A folder of taxonomies must not be empty.
    (taxonomy / "other.yaml").write_text(ACME.replace("system: acme", "system: other"))
    flags = ("--ops", f"127.0.0.1:{free_port()}", "--ingest", f"127.0.0.1:{free_port()}")
    flags += ("--taxonomy", str(taxonomy))
    with contextlib.ExitStack() as stack:
        webhook = stack.enter_context(WebhookCatcher())
        config = _quick(shipped.with_webhooks(_made(folder / "alertmanager"), webhook.url))
        alertmanager = stack.enter_context(AlertmanagerProcess(config))
        exporter = stack.enter_context(ExporterProcess(folder / "data", *flags))
        for first in range(0, past, 400):
            events = [event for n in range(first, first + 400) for event in normal_ends(n)]
            assert exporter.post(events).json["accepted"] == 800
        wait_for(lambda: exporter.total("session_ends_total") == 2 * past, what="the past's ends")
        prometheus = PrometheusProcess(folder / "prometheus", [])
        rules = history.quick_rules(folder / "rules")
        (folder / "prometheus" / "prometheus.yml").write_text(
            history.prometheus_config(rules, exporter, alertmanager.port)
        )
        history.backfill(exporter, folder / "prometheus" / "data")
        traffic = stack.enter_context(Traffic(exporter, past))
        stack.enter_context(prometheus)
        pager = Pager(exporter, prometheus, traffic, webhook, taxonomy)
        compared = 'system_outcome:session_ends:increase1h{outcome="success"} offset 15s'
        wait_for(pager.present(compared), LONG, "baselines")
        words = "system_code:session_end_code_info:newest"
        wait_for(pager.present(words), LONG, "the exporter's words")
        yield pager


@pytest.fixture
def pager(running: Pager) -> Iterator[Pager]:
    """Waits until no page is active."""
    wait_for(
        lambda: not running.prometheus.query('ALERTS{severity="page"}'), LONG, "no active page"
    )
    running.forget()
    yield running
    running.traffic.outage = ()
    running.traffic.silent = ()
    running.traffic.more = ()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_two_codes_that_rise_together_give_one_notification(pager: Pager) -> None:
    """Runs first: a code with an earlier outage in the window pages seconds before a code without one."""
    both = ("SessionEndSpike 4001", "SessionEndSpike 4005")
    pager.traffic.outage = (4001, 4005)
    page = pager.wait("firing", *both)
    pager.traffic.outage = ()
    assert names(page) == set(both)
    assert pager.pages == [page]

    wait_for(
        lambda: names(*pager.receive(), status="resolved") == set(both), LONG, "the end of both"
    )
    # The two may end at different evaluations: one or two notifications.
    assert [sent for sent in pager.pages if not names(sent, status="resolved")] == [page]
    assert pager.traffic.errors == []


def test_outage_pages_with_cause_and_fix_and_resolves(
    pager: Pager,
) -> None:
    pager.traffic.outage = (4001,)
    page = pager.wait("firing", "SessionEndSpike 4001")
    pager.traffic.outage = ()
    assert page["receiver"] == "page-platform"
    (alert,) = page["alerts"]
    assert alert["labels"] == {
        "alertname": "SessionEndSpike",
        "severity": "page",
        "signal": "spike",
        "system": "streampixel",
        "code": "4001",
        "name": "No Worker Node Available",
        "phase": "connect",
        "category": "capacity",
        "owner": "capacity",
    }
    says = alert["annotations"]
    assert says["summary"] == "4001 No Worker Node Available spike on streampixel"
    numbers = re.fullmatch(
        r"(\d+) in 5 min \(expected (\d+\.\d)\), [\d.]+% of all session ends, since \d\d:\d\d UTC\.",
        says["description"],
    )
    assert numbers, says["description"]
    assert int(numbers[1]) > 5 * float(numbers[2]) > 0
    assert says["causes"].startswith("All worker nodes are busy, GPU resources do not suffice")
    assert says["fix"].startswith("Check the status of workers and GPUs, then the capacity mode.")
    ops = f"http://127.0.0.1:{pager.exporter.ports['ops']}"
    assert says["runbook_url"] == f"{ops}/codes/streampixel/4001"
    assert says["dashboard_url"] == ""

    resolved = pager.wait("resolved", "SessionEndSpike 4001")
    assert [alert["status"] for alert in resolved["alerts"]] == ["resolved"]
    assert [sent["status"] for sent in pager.pages] == ["firing", "resolved"]
    assert pager.traffic.errors == []


def test_missing_successes_page_for_their_system(pager: Pager) -> None:
    """Shows that the alert which the next test must not see can fire."""
    pager.traffic.silent = ("streampixel",)
    page = pager.wait("firing", "SessionEndsStopped")
    pager.traffic.silent = ()
    assert names(page) == {"SessionEndsStopped"}
    pager.wait("resolved", "SessionEndsStopped")
    assert names(*pager.pages) == {"SessionEndsStopped"}
    assert pager.traffic.errors == []


def test_killed_exporter_pages_for_itself_and_not_for_its_systems(
    pager: Pager,
) -> None:
    """Neither the missing samples nor the gap in the counts fires SessionEndsStopped, until a whole window
    after the restart."""
    killed = time.time()
    pager.exporter.kill()
    page = pager.wait("firing", "SessionEndExporterDown")
    assert page["receiver"] == "page-platform"
    (alert,) = page["alerts"]
    instance = f"127.0.0.1:{pager.exporter.ports['ops']}"
    assert alert["labels"]["instance"] == instance
    assert alert["annotations"]["summary"] == f"The exporter {instance} is down"
    wait_for(
        lambda: not pager.prometheus.query("system_outcome:session_ends:increase5m"),
        LONG,
        "no counts",
    )

    pager.exporter.start()
    pager.wait("resolved", "SessionEndExporterDown")
    compared = 'system_outcome:session_ends:increase5m{outcome="success"}'
    wait_for(pager.present(compared), LONG, "compared successes")
    full = 'count_over_time(up{job="session-end-exporter"}[30s]) > 20 and'
    up = 'min_over_time(up{job="session-end-exporter"}[30s]) == 1'
    wait_for(lambda: pager.prometheus.query(f"{full} {up}"), LONG, "a whole window")
    since = f"{time.time() - killed:.0f}s"
    assert pager.prometheus.query(f'count_over_time(ALERTS{{signal="stopped"}}[{since}])') == {}
    assert [names(sent) for sent in pager.receive()] == [{"SessionEndExporterDown"}] * 2


def test_platform_added_by_a_yaml_file_pages_after_a_restart_of_the_exporter(
    pager: Pager,
) -> None:
    """Runs last: Prometheus sees the restart as an outage of the exporter."""
    (pager.taxonomy / "acme.yaml").write_text(ACME)
    assert pager.exporter.stop() == 0
    pager.exporter.start()
    # A new system's baseline follows its traffic, an outage included. Learned from far more ends than the
    # outage has, it leaves a busy machine half a minute to see the outage. Enough successes go on in it, or
    # SessionEndsStopped joins the page.
    success, failure = ({"system": "acme", "code": code} for code in ("ok", "07"))
    pager.traffic.more = (success,) * 400
    learned = 'system_code:session_ends:share1d_snapshot{system="acme", code="07"} < 0.3 / 10000'
    wait_for(lambda: pager.prometheus.query(learned), LONG, "a baseline of 10,000 ends")
    pager.traffic.more = (success,) * 80 + (failure,) * 30
    page = pager.wait("firing", "SessionEndSpike 07")
    (alert,) = (alert for alert in page["alerts"] if alert["labels"].get("code") == "07")
    labels, says = alert["labels"], alert["annotations"]
    assert (labels["severity"], labels["name"], labels["owner"], labels["phase"]) == (
        *("page", "Link Lost", "customer_network", "keep_alive"),
    )
    assert says["summary"] == "07 Link Lost spike on acme"
    assert (says["causes"], says["fix"]) == ("A {{ bad }} cable.", 'Replace the "cable".')
    path = says["runbook_url"].removeprefix(f"http://127.0.0.1:{pager.exporter.ports['ops']}")
    assert path == "/codes/acme/07"
    assert pager.exporter.request("ops", "GET", path).status == 200
