"""Runs each command of the server section of docs/install.md, in order, in a scratch root.

Alertmanager gets the watchdog from Prometheus, and the links of the test page are opened, except of Grafana.
Fails at the first difference; prints for how long Prometheus keeps samples. tests/deploy/test_server.py runs
this module.
"""

import contextlib
import html
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import httpx

from exporter.rule_files import RULES
from exporter.runbooks import file_of_alert
from tests.e2e.alertmanager_process import WebhookReceiver
from tests.e2e.exporter_process import ROOT, wait_for
from tests.programs import finished, output

REPOSITORY: Final = Path("/opt/session-end-exporter")
STUBS: Final = Path("/opt/stubs")
NAME: Final = "monitoring.example.com"
SLACK: Final = "https://hooks.slack.example"
SECRETS: Final = Path("/etc/prometheus/secrets")
OWNERS: Final = {
    "/etc/session-end-exporter": "root session-end-exporter 750",
    "/etc/session-end-exporter/environment": "root session-end-exporter 640",
    "/etc/session-end-exporter/ingest-tokens": "session-end-exporter root 400",
    "/var/lib/session-end-exporter": "session-end-exporter session-end-exporter 700",
    f"{SECRETS}": "root prometheus 750",
    f"{SECRETS}/slack-page": "prometheus root 400",
    f"{SECRETS}/slack-ticket": "prometheus root 400",
}
"""User, group and mode of each file that a service reads or writes."""
HTTP: Final = httpx.Client(trust_env=False, timeout=30)
"""The HTTP client that all requests share: creating one takes 26 ms of processor time."""


class Person:
    """A user who runs the blocks of commands in the repository, with a webhook in place of Slack's."""

    def __init__(self, webhook: str) -> None:
        text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
        section = text.partition("\n## A server\n")[2].partition("\n## ")[0]
        assert SLACK in section
        section = section.replace(SLACK, webhook)
        self._blocks = iter(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))

    def run(self, expected: str) -> tuple[str, str]:
        """The next block and its output. Fails unless the block contains the text `expected`."""
        block = next(self._blocks)
        assert expected in block, block
        return block, self.succeed(block)

    def succeed(self, commands: str) -> str:
        path = f"{STUBS}:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
        done = finished("sh", "-eu", input=commands, cwd=REPOSITORY, env=environment)
        printed = done.stdout + done.stderr
        assert done.returncode == 0, f"{commands}\n{printed}\n{logs()}"
        return printed

    def end(self) -> None:
        assert list(self._blocks) == [], "a block of the section was not run"


def logs() -> str:
    parts = [f"{path}:\n{path.read_text()[-3000:]}" for path in Path("/run").glob("*.log")]
    return "\n".join(parts)


def post(numbers: Iterable[int]) -> dict[str, int]:
    token = Path("/etc/session-end-exporter/ingest-tokens").read_text().strip()
    events = [{"id": f"e-{number}", "system": "streampixel"} for number in numbers]
    headers = {"Authorization": f"Bearer {token}"}
    answer = HTTP.post("http://127.0.0.1:10400/v1/session-ends", json=events, headers=headers)
    assert answer.status_code == 200, answer.text
    counts: dict[str, int] = answer.json()
    return counts


def heading(url: str) -> str:
    """The heading of a page, which must open."""
    answer = HTTP.get(url.partition("#")[0], follow_redirects=True)
    assert answer.status_code == 200, url
    match = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", match[1]) if match else ""


def assert_page_arrives_with_links(slack: WebhookReceiver) -> None:
    """Fails when one of the exporter's URLs or Alertmanager's external URL is not set."""
    path, body = slack.next()
    (attachment,) = body["attachments"]
    title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
    assert (path, attachment["title"]) == ("/page", title)
    links = re.findall(r"<(http[^|>]+)\|(\w+)>", attachment["text"])
    urls = {name: html.unescape(link) for link, name in links}
    urls["Title"] = attachment["title_link"]
    assert urls.keys() == {"Title", "Runbook", "Dashboard"}
    assert urls["Runbook"] == f"http://{NAME}:10401/codes/streampixel/4001"
    assert heading(urls["Runbook"]) == "Streampixel 4001: No Worker Node Available"
    assert urls["Dashboard"] == f"http://{NAME}:3000/d/session-ends"
    assert urls["Title"] == f"http://{NAME}:9093/#/alerts?receiver=page"
    heading(urls["Title"])


def watchdog_fires() -> bool:
    """Whether Prometheus scrapes the exporter, and its alert that always fires is in Alertmanager.

    Debian's units do not wait for their programs.
    """
    with contextlib.suppress(httpx.HTTPError):
        up = get("http://127.0.0.1:9090/api/v1/query?query=up")["data"]["result"]
        scraped = {row["metric"]["job"]: row["value"][1] for row in up}
        alerts = get("http://127.0.0.1:9093/api/v2/alerts")
        names = {alert["labels"]["alertname"] for alert in alerts}
        return "SessionEndWatchdog" in names and scraped == {"session-end-exporter": "1"}
    return False


def get(url: str) -> Any:
    return HTTP.get(url).raise_for_status().json()


def counted() -> int:
    text = HTTP.get("http://127.0.0.1:10401/metrics").text
    return sum(
        int(float(value)) for value in re.findall(r"^session_ends_total\{.* (\S+)$", text, re.M)
    )


def main() -> None:
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost {NAME}\n")
    acme = (ROOT / "docs/add-a-system.md").read_text(encoding="utf-8")
    (REPOSITORY / "my-codes").mkdir()
    (REPOSITORY / "my-codes/acme.yaml").write_text(
        acme.partition("```yaml\n")[2].partition("```")[0]
    )
    with WebhookReceiver() as slack:
        person = Person(slack.url)
        person.run("session-end-exporter.sysusers.conf")
        person.run("ingest-tokens")
        person.run("RUNBOOK_URL")
        person.run("promtool check config")
        owners = output("stat", "--format=%U %G %a", *OWNERS).splitlines()
        assert owners == [*OWNERS.values()]
        wait_for(watchdog_fires, 240, "an alert from Prometheus in Alertmanager")
        groups = get("http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
        loaded = {Path(group["file"]).name for group in groups}
        assert loaded == {path.name for path in RULES.glob("*.yml")}
        flags = get("http://127.0.0.1:9090/api/v1/status/flags")["data"]
        assert flags["enable-feature"] == "exemplar-storage"
        block, printed = person.run("test-page")
        assert block in (ROOT / "docs/alertmanager.md").read_text(encoding="utf-8")
        assert printed.endswith("notified: slack\n")
        assert_page_arrives_with_links(slack)
        person.run("SESSION_EXPORTER_TAXONOMY")
        assert heading(f"http://{NAME}:10401/codes/acme/07") == "Acme Streaming 07: Link Lost"
        assert post(range(20))["accepted"] == 20
        person.run("backup")
        before = counted()
        # A restoration loses these events. A second restoration, by the runbook, keeps all files.
        post(range(20, 25))
        person.run("systemctl stop")
        assert 0 < before == counted()
        runbook = file_of_alert("SessionEndExporterLedgerDamaged").read_text(encoding="utf-8")
        restore = runbook.partition("```sh\n")[2].partition("```")[0]
        latest = '"$(ls /var/backups/session-end-exporter/ledger-*.db | tail -n 1)"'
        person.succeed(restore.replace("BACKUP", latest))
        kept = Path("/var/backups/session-end-exporter").glob("before-*/ledger.db")
        assert len([*kept]) == 2
        person.run("git pull")
        assert counted() == before
        assert post(range(3))["duplicates"] == 3
        person.end()
    print(flags["storage.tsdb.retention.time"])
    # The services end with the process namespace.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print(logs(), file=sys.stderr)
        raise
