"""The server section of docs/install.md: at its end an outage pages, and each link of the page opens."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.source.queries import PERIOD
from tests.deploy.scratch_root import run_in_scratch_root
from tests.e2e.exporter_process import ROOT

SETTINGS = "/etc/session-end-exporter"
SECRETS = "/etc/prometheus/secrets"
CODE = "Streampixel 4001: No Worker Node Available"
RUNBOOK = "http://monitoring.example.com:10401/codes/streampixel/4001"
DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("scratch")
    done = run_in_scratch_root(folder, "-m", "tests.deploy.new_user")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-8000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_files_belong_to_the_users_that_read_them(facts: Any) -> None:
    owners = {line.split()[0]: tuple(line.split()[1:]) for line in facts["files"]}
    own = "session-end-exporter"
    assert owners == {
        SETTINGS: ("root", own, "750"),
        f"{SETTINGS}/environment": ("root", own, "640"),
        f"{SETTINGS}/ingest-tokens": (own, "root", "400"),
        "/var/lib/session-end-exporter": (own, own, "700"),
        SECRETS: ("root", "prometheus", "750"),
        f"{SECRETS}/slack-page": ("prometheus", "root", "400"),
        f"{SECRETS}/slack-ticket": ("prometheus", "root", "400"),
    }


def test_test_page_arrives_in_slack_and_by_mail(facts: Any) -> None:
    page = facts["test page"]
    title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
    assert (page["path"], page["title"], page["subject"]) == ("/page", title, title)
    (printed,) = (text for text in facts["printed"] if "TEST PAGE" in text)
    assert printed.endswith("notified: email, slack\n")


def test_outage_pages_in_slack_and_by_mail(facts: Any) -> None:
    page = facts["page"]
    assert page["path"] == "/page"
    assert page["title"].startswith("4001 No Worker Node Available spike on streampixel: ")
    assert page["subject"] == page["title"]
    assert "Fix: Check the status of workers and GPUs" in page["text"]


@pytest.mark.parametrize("name", ["test page", "page"])
def test_each_link_of_a_page_opens(facts: Any, name: str) -> None:
    """Fails when one of the exporter's URLs or Alertmanager's external URL is not set."""
    links = facts[name]["links"]
    assert {*links} == {"Title", "Runbook", "Dashboard", "Mail Runbook", "Mail Dashboard"}
    for link, status, _ in links.values():
        assert link.startswith("http://monitoring.example.com:")
        assert status == 200, link
    for kind in ("Runbook", "Mail Runbook"):
        assert links[kind] == [RUNBOOK, 200, CODE]
    assert "/d/session-end-code?var-system=streampixel&var-code=4001" in links["Dashboard"][0]
    assert links["Title"][0].endswith(":9093/#/alerts?receiver=page")


def test_own_code_has_a_runbook(facts: Any) -> None:
    assert facts["own code"][1:] == [200, "Acme Streaming 07: Link Lost"]


def test_missing_secret_fails_the_test_page(facts: Any) -> None:
    assert facts["amtool without a secret"] == 0
    code, printed = facts["test page without a secret"]
    assert code == 1
    assert "notified: email\nerror: Alertmanager could not notify by slack. " in printed


def test_restore_and_upgrade_keep_the_counts(facts: Any) -> None:
    """A restoration loses the 5 events sent after the backup. A second restoration keeps all files."""
    before, restored = facts["restored"]
    assert 0 < before == restored
    assert facts["ledgers before a restoration"] == 2
    assert facts["upgraded"] == [restored, 3]


def test_prometheus_keeps_exemplars(facts: Any) -> None:
    assert facts["series with exemplars"] > 0


def days(duration: str) -> float:
    """Days of a PromQL duration; units below a day count as 0."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration)
    return sum(int(number) * DAYS.get(unit, 0) for number, unit in parts)


def test_prometheus_keeps_the_samples_of_rules_and_dashboards(facts: Any) -> None:
    """The retention covers windows plus offsets of rules, and the month before the week of the SLO
    dashboard."""
    rules = [
        rule["expr"]
        for path in (ROOT / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    windows = [window for rule in rules for window in re.findall(r"\[(\w+)", rule)]
    offsets = [offset for rule in rules for offset in re.findall(r"offset (\w+)", rule)]
    of_rules = max(map(days, windows)) + max(map(days, offsets))
    slo = json.loads((ROOT / "dashboards/session-ends-slo.json").read_text())
    of_dashboards = days(PERIOD) + days(slo["time"]["from"].removeprefix("now-"))
    assert days(facts["flags"]["storage.tsdb.retention.time"]) > max(of_rules, of_dashboards) > 30


def test_mount_of_the_scratch_root_is_gone(facts: Any, tmp_path_factory: Any) -> None:
    assert facts
    folder: Path = tmp_path_factory.getbasetemp()
    assert str(folder) not in Path("/proc/self/mounts").read_text()
