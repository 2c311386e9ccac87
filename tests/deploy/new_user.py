"""Runs each command of the server section of docs/install.md, in order, in a scratch root.

Then an outage is posted, and each link of its page is opened. For the outage, durations of rules, Prometheus
and Alertmanager are divided by 15. Prints what happened as JSON; tests/deploy/test_server.py compares.
"""

import contextlib
import html
import itertools
import json
import os
import queue
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.demo.program import BackgroundServer
from deploy.demo.stack import compressed
from tests.alertmanager import shipped
from tests.deploy.scratch_root import REPOSITORY, STUBS
from tests.e2e.alertmanager_process import MailReceiver
from tests.e2e.exporter_process import ROOT, wait_for
from tests.programs import output

SPEED: Final = 15
LONG: Final = 240.0
NAME: Final = "monitoring.example.com"
SLACK: Final = "hooks.slack.example"
SECRETS: Final = Path("/etc/prometheus/secrets")
SHOWN: Final = (
    *("/etc/session-end-exporter", "/etc/session-end-exporter/environment"),
    *("/etc/session-end-exporter/ingest-tokens", "/var/lib/session-end-exporter"),
    *(str(SECRETS), f"{SECRETS}/slack-page", f"{SECRETS}/slack-ticket"),
)


HTTP: Final = httpx.Client(trust_env=False, timeout=30)
"""The HTTP client that all requests share: creating one takes 26 ms of processor time."""


class Server(BackgroundServer):
    """Keeps the JSON of each POST by path; answers a GET of `paths` with 200. HTTPS with a certificate."""

    def __init__(self, port: int, paths: tuple[str, ...] = (), certificate: str = "") -> None:
        self.posts = posts = queue.Queue[tuple[str, Any]]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if self.path.partition("?")[0] in paths else 404)
                self.end_headers()
                # The answer of Slack: Alertmanager 0.28 treats any other text as an error.
                self.wfile.write(b"ok")

            def do_POST(self) -> None:
                posts.put(
                    (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                )
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Requests are not logged."""

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        super().__init__(server)


class Person:
    """A user who runs the blocks of commands in the repository; `printed` has their outputs."""

    def __init__(self) -> None:
        text = (ROOT / "docs/install.md").read_text(encoding="utf-8")
        section = text.partition("\n## A server\n")[2].partition("\n## ")[0]
        self._blocks = iter(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        self.printed: list[str] = []

    def run(self, expected: str) -> str:
        """Run the next block and return it. Fails unless the block contains the text `expected`."""
        block = next(self._blocks)
        assert expected in block, block
        self.printed.append(self.succeed(block))
        return block

    def succeed(self, commands: str) -> str:
        code, printed = self.shell(commands)
        assert code == 0, f"{commands}\n{printed}\n{logs()}"
        return printed

    def shell(self, commands: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-eu"],
            input=commands,
            cwd=REPOSITORY,
            env={
                "PATH": f"{STUBS}:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "LANG": "C.UTF-8",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

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
    for path, mode in ((file, "a"), ("/etc/ssl/certs/ca-certificates.crt", "a")):
        with open(path, mode) as target:
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


def opened(url: str) -> list[Any]:
    """A URL, the status of its page, and the heading of the page."""
    try:
        answer = HTTP.get(url.partition("#")[0], follow_redirects=True)
    except httpx.HTTPError as error:
        return [url, 0, str(error)]
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", answer.text, re.DOTALL)
    return [url, answer.status_code, re.sub(r"<[^>]+>|\s+", " ", heading[1]) if heading else ""]


def received(slack: Server, mail: MailReceiver, title: str) -> dict[str, Any]:
    """The notification whose title contains a text, in Slack and as e-mail, with its opened links."""

    def in_slack() -> tuple[str, Any] | None:
        path, body = slack.posts.get(timeout=LONG)
        (attachment,) = body["attachments"]
        return (path, attachment) if title in attachment["title"] else None

    path, attachment = wait_for(in_slack, LONG, title)
    message = mail.next()
    while title not in message["Subject"]:
        message = mail.next()
    text = message.get_body(("html",)).get_content()
    links = re.findall(r"<(http[^|>]+)\|(\w+)>", attachment["text"])
    links.append((attachment["title_link"], "Title"))
    links += [(link, f"Mail {name}") for link, name in re.findall(r'href="([^"]+)">(\w+)', text)]
    return {
        "path": path,
        "title": attachment["title"],
        "text": attachment["text"],
        "subject": str(message["Subject"]),
        "links": {name: opened(html.unescape(link)) for link, name in links},
    }


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
    boards = (json.loads(path.read_text())["uid"] for path in (ROOT / "dashboards").glob("*.json"))
    person, numbers, facts = Person(), itertools.count(), dict[str, Any]()
    with (
        Server(443, ("/page", "/ticket"), make_certificate()) as slack,
        Server(3000, tuple(f"/d/{uid}" for uid in boards)),
        MailReceiver() as mail,
    ):
        person.run("session-end-exporter.sysusers.conf")
        person.run("ingest-tokens")
        person.run("RUNBOOK_URL")
        person.run("promtool check config")
        facts["files"] = output("stat", "--format=%n %U %G %a", *SHOWN).splitlines()
        wait_until_ready(9090)
        facts["flags"] = HTTP.get("http://127.0.0.1:9090/api/v1/status/flags").json()["data"]
        page_by_mail_too(mail)
        shorten_durations()
        person.succeed("systemctl restart prometheus.service prometheus-alertmanager.service")
        wait_until_ready(9090, 9093)
        person.run("test-page")
        facts["test page"] = received(slack, mail, "TEST PAGE")
        person.run("SESSION_EXPORTER_TAXONOMY")
        facts["own code"] = opened(f"http://{NAME}:10401/codes/acme/07")
        with traffic(numbers, [1000] * 19 + [4001]):
            time.sleep(20)  # a baseline of five minutes
        with traffic(numbers, [1000] * 10 + [4001] * 10):
            facts["page"] = received(slack, mail, "4001 No Worker Node Available spike")
        exemplars = HTTP.get(
            "http://127.0.0.1:9090/api/v1/query_exemplars",
            params={"query": "session_ends_total", "start": time.time() - 600, "end": time.time()},
        ).json()["data"]
        facts["series with exemplars"] = len(exemplars)
        person.run("backup")
        before = counted()
        post(numbers, [1000] * 5)
        restore = person.run("systemctl stop")
        facts["restored"] = [before, counted()]
        time.sleep(1)  # The names of the files contain the time in seconds.
        person.succeed(restore)
        kept = Path("/var/backups/session-end-exporter").glob("before-*/ledger.db")
        facts["ledgers before a restoration"] = len([*kept])
        person.run("git pull")
        facts["upgraded"] = [counted(), post(itertools.count(), [1000] * 3)["duplicates"]]
        person.end()
        # amtool accepts the configuration without the file of a secret.
        (SECRETS / "slack-page").unlink()
        check = "amtool check-config /etc/prometheus/alertmanager.yml"
        facts["amtool without a secret"] = person.shell(check)[0]
        facts["test page without a secret"] = person.shell(
            ".venv/bin/session-end-exporter test-page --alertmanager http://127.0.0.1:9093"
        )
    facts["printed"] = person.printed
    print(json.dumps(facts))
    # The services end with the process namespace.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        print(logs(), file=sys.stderr)
        raise
