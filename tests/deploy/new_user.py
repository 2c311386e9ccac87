"""Runs each command of the server section of docs/install.md, in order, in a scratch root.

Then an outage is posted, and each link of its page is opened. For the outage, durations of rules, Prometheus
and Alertmanager are divided by 15. Fails at the first difference; prints for how long Prometheus keeps
samples. tests/deploy/test_server.py runs this module.
"""

import contextlib
import html
import itertools
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.demo.program import BackgroundServer
from deploy.demo.stack import compressed
from exporter.runbooks.files import of_alert
from tests.alertmanager import shipped
from tests.deploy.scratch_root import REPOSITORY, STUBS
from tests.e2e.alertmanager_process import MailReceiver, WebhookReceiver
from tests.e2e.exporter_process import ROOT, wait_for
from tests.programs import finished, output

SPEED: Final = 15
LONG: Final = 240.0
NAME: Final = "monitoring.example.com"
SLACK: Final = "hooks.slack.example"
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
RUNBOOK: Final = f"http://{NAME}:10401/codes/streampixel/4001"
HTTP: Final = httpx.Client(trust_env=False, timeout=30)
"""The HTTP client that all requests share: creating one takes 26 ms of processor time."""


class Slack(WebhookReceiver):
    """Slack's host, with a certificate that programs in this root trust."""

    def __init__(self, certificate: str) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket.close()
        listener = socket.create_server(("127.0.0.1", 443))
        self._server.socket = context.wrap_socket(listener, server_side=True)


def grafana() -> BackgroundServer:
    """A server with a page for each dashboard."""
    pages = Path("/run/grafana/d")
    pages.mkdir(parents=True)
    for path in (ROOT / "dashboards").glob("*.json"):
        (pages / json.loads(path.read_text())["uid"]).touch()
    handler = partial(SimpleHTTPRequestHandler, directory=pages.parent)
    return BackgroundServer(ThreadingHTTPServer(("127.0.0.1", 3000), handler))


class Person:
    """A user who runs the blocks of commands in the repository."""

    def __init__(self) -> None:
        text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
        section = text.partition("\n## A server\n")[2].partition("\n## ")[0]
        self._blocks = iter(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))

    def run(self, expected: str) -> tuple[str, str]:
        """The next block and its output. Fails unless the block contains the text `expected`."""
        block = next(self._blocks)
        assert expected in block, block
        return block, self.succeed(block)

    def succeed(self, commands: str) -> str:
        code, printed = self.shell(commands)
        assert code == 0, f"{commands}\n{printed}\n{logs()}"
        return printed

    def shell(self, commands: str) -> tuple[int, str]:
        path = f"{STUBS}:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8"}
        done = finished("sh", "-eu", input=commands, cwd=REPOSITORY, env=environment)
        return done.returncode, done.stdout + done.stderr

    def end(self) -> None:
        assert list(self._blocks) == [], "a block of the section was not run"


def logs() -> str:
    parts = [f"{path}:\n{path.read_text()[-3000:]}" for path in Path("/run").glob("*.log")]
    return "\n".join(parts)


def make_certificate() -> str:
    """Make a certificate for Slack's host that programs in this root trust; returns the file, with its
    key."""
    file = "/etc/slack.pem"
    output(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", f"/CN={SLACK}", "-addext", f"subjectAltName=DNS:{SLACK}"),
        *("-keyout", file, "-out", "/etc/slack.crt"),
    )
    text = Path("/etc/slack.crt").read_text()
    for path in (file, "/etc/ssl/certs/ca-certificates.crt"):
        with open(path, "a") as target:
            target.write(text)
    return file


def page_by_mail_too(mail: MailReceiver) -> None:
    """Copies the e-mail block of receivers.yml, as docs/alertmanager.md says."""
    path = Path("/etc/prometheus/alertmanager.yml")
    config = yaml.safe_load(path.read_text())
    (page,) = (receiver for receiver in config["receivers"] if receiver["name"] == "page")
    page["email_configs"] = [shipped.mail_block(mail.address)]
    path.write_text(yaml.safe_dump(config))


def shorten_durations() -> None:
    for path in Path("/etc/prometheus").rglob("*.yml"):
        text = compressed(path.read_text(), SPEED)
        if path.parent.name == "rules":
            text = text.replace("interval: 2s", "interval: 1s")
        path.write_text(text)


def post(numbers: Iterator[int], codes: list[int | None]) -> dict[str, int]:
    token = Path("/etc/session-end-exporter/ingest-tokens").read_text().strip()
    events = [
        {"id": f"e-{next(numbers)}", "system": "streampixel", "code": code, "session_id": "s"}
        for code in codes
    ]
    headers = {"Authorization": f"Bearer {token}"}
    answer = HTTP.post("http://127.0.0.1:10400/v1/session-ends", json=events, headers=headers)
    assert answer.status_code == 200, answer.text
    counts: dict[str, int] = answer.json()
    return counts


@contextlib.contextmanager
def traffic(numbers: Iterator[int], codes: list[int | None]) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.5):
            post(numbers, codes)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def heading(url: str) -> str:
    """The heading of a page, which must open."""
    answer = HTTP.get(url.partition("#")[0], follow_redirects=True)
    assert answer.status_code == 200, url
    match = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    return re.sub(r"<[^>]+>|\s+", " ", match[1]) if match else ""


def received(slack: Slack, mail: MailReceiver, title: str) -> Any:
    """The page in Slack whose title contains a text. The mail has the same title, and each link opens.

    Fails when one of the exporter's URLs or Alertmanager's external URL is not set.
    """

    def in_slack() -> tuple[str, Any] | None:
        path, body = slack.notifications.get(timeout=LONG)
        (attachment,) = body["attachments"]
        return (path, attachment) if title in attachment["title"] else None

    path, attachment = wait_for(in_slack, LONG, title)
    message = mail.next()
    while title not in message["Subject"]:
        message = mail.next()
    text = message.get_body(("html",)).get_content()
    assert (path, attachment["title"]) == ("/page", message["Subject"])
    links = re.findall(r"<(http[^|>]+)\|(\w+)>", attachment["text"])
    links.append((attachment["title_link"], "Title"))
    links += [(link, f"Mail {name}") for link, name in re.findall(r'href="([^"]+)">(\w+)', text)]
    urls = {name: html.unescape(link) for link, name in links}
    assert urls.keys() == {"Title", "Runbook", "Dashboard", "Mail Runbook", "Mail Dashboard"}
    headings = {name: heading(url) for name, url in urls.items()}
    assert all(url.startswith(f"http://{NAME}:") for url in urls.values()), urls
    for kind in ("Runbook", "Mail Runbook"):
        assert urls[kind] == RUNBOOK
        assert headings[kind] == "Streampixel 4001: No Worker Node Available"
    assert "/d/session-end-code?var-system=streampixel&var-code=4001" in urls["Dashboard"]
    assert urls["Title"].endswith(":9093/#/alerts?receiver=page")
    return attachment


def wait_until_ready(*ports: int) -> None:
    """Debian's units do not wait for their programs."""

    def ready(port: int) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return HTTP.get(f"http://127.0.0.1:{port}/-/ready").is_success
        return False

    for port in ports:
        wait_for(partial(ready, port), LONG, f"port {port}")


def counted() -> int:
    text = HTTP.get("http://127.0.0.1:10401/metrics").text
    return sum(
        int(float(value)) for value in re.findall(r"^session_ends_total\{.* (\S+)$", text, re.M)
    )


def main() -> None:
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost {NAME} {SLACK}\n")
    acme = (ROOT / "docs/add-a-system.md").read_text(encoding="utf-8")
    (REPOSITORY / "my-codes").mkdir()
    (REPOSITORY / "my-codes/acme.yaml").write_text(
        acme.partition("```yaml\n")[2].partition("```")[0]
    )
    person, numbers = Person(), itertools.count()
    with Slack(make_certificate()) as slack, grafana(), MailReceiver() as mail:
        person.run("session-end-exporter.sysusers.conf")
        person.run("ingest-tokens")
        person.run("RUNBOOK_URL")
        person.run("promtool check config")
        owners = output("stat", "--format=%U %G %a", *OWNERS).splitlines()
        assert owners == [*OWNERS.values()]
        wait_until_ready(9090)
        flags = HTTP.get("http://127.0.0.1:9090/api/v1/status/flags").json()["data"]
        page_by_mail_too(mail)
        shorten_durations()
        person.succeed("systemctl restart prometheus.service prometheus-alertmanager.service")
        wait_until_ready(9090, 9093)
        block, printed = person.run("test-page")
        assert block in (ROOT / "docs/alertmanager.md").read_text(encoding="utf-8")
        assert printed.endswith("notified: email, slack\n")
        title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
        assert received(slack, mail, "TEST PAGE")["title"] == title
        person.run("SESSION_EXPORTER_TAXONOMY")
        assert heading(f"http://{NAME}:10401/codes/acme/07") == "Acme Streaming 07: Link Lost"
        with traffic(numbers, [1000] * 19 + [4001]):
            time.sleep(20)  # a baseline of five minutes
        with traffic(numbers, [1000] * 10 + [4001] * 10):
            page = received(slack, mail, "4001 No Worker Node Available spike on streampixel: ")
            assert "Fix: Check the status of workers and GPUs" in page["text"]
        exemplars = HTTP.get(
            "http://127.0.0.1:9090/api/v1/query_exemplars",
            params={"query": "session_ends_total", "start": time.time() - 600, "end": time.time()},
        ).json()["data"]
        assert exemplars
        person.run("backup")
        before = counted()
        # A restoration loses these events. A second restoration, by the runbook, keeps all files.
        post(numbers, [1000] * 5)
        person.run("systemctl stop")
        assert 0 < before == counted()
        runbook = of_alert("SessionEndExporterLedgerDamaged").read_text(encoding="utf-8")
        restore = runbook.partition("```sh\n")[2].partition("```")[0]
        latest = '"$(ls /var/backups/session-end-exporter/ledger-*.db | tail -n 1)"'
        person.succeed(restore.replace("BACKUP", latest))
        kept = Path("/var/backups/session-end-exporter").glob("before-*/ledger.db")
        assert len([*kept]) == 2
        person.run("git pull")
        assert counted() == before
        assert post(itertools.count(), [1000] * 3)["duplicates"] == 3
        person.end()
        # amtool accepts the configuration without the file of a secret.
        (SECRETS / "slack-page").unlink()
        person.succeed("amtool check-config /etc/prometheus/alertmanager.yml")
        code, printed = person.shell(
            ".venv/bin/session-end-exporter test-page --alertmanager http://127.0.0.1:9093"
        )
        assert code == 1
        assert "notified: email\nerror: Alertmanager could not notify by slack. " in printed
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
