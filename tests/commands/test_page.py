"""`test-page`: a real Alertmanager notifies of the test alert, and errors say what to do."""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from exporter.cli import app
from exporter.errors import ConfigError
from tests.alertmanager import shipped
from tests.commands.running import call
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookReceiver
from tests.faulty_server import FaultyServer, Handler
from tests.programs import output


def edited(config: Path, old: str, new: str) -> Path:
    """The configuration with another text in all places."""
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


def test_page_of_a_code_arrives_through_the_routes_of_a_page(tmp_path: Path) -> None:
    with (
        WebhookReceiver() as receiver,
        AlertmanagerProcess(
            # The page is sent without this wait.
            edited(
                shipped.with_slack(tmp_path, receiver.url), "group_wait: 500ms", "group_wait: 4m"
            )
        ) as manager,
    ):
        url = f"http://127.0.0.1:{manager.port}"
        options = ("--system", "streampixel", "--code", "no worker node available")
        dashboards = {"SESSION_EXPORTER_DASHBOARD_URL": "https://grafana.example"}
        shown = call("test-page", "--alertmanager", url, *options, **dashboards)
        path, message = receiver.next()
        (tmp_path / "slack-page").unlink()
        unsent = call("test-page", "--alertmanager", url, "--system", "softdrive")
        alerts = manager.get("alerts", filter='system="softdrive"')
        silence = ("amtool", "silence", "add", "alertname=SessionEndTestPage", "--comment=x")
        output(*silence, "--author=x", f"--alertmanager.url={url}")
        silenced = call("test-page", "--alertmanager", url)
        wrong = call("test-page", "--alertmanager", f"{url}/prefix/")
    title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
    assert (shown.returncode, shown.stderr) == (0, "")
    waiting = "receivers: page\nwaiting up to 90 s for slack\n"
    assert shown.stdout == f"sent: {title}\n{waiting}notified: slack\n"
    # amtool accepts the configuration without the file.
    assert unsent.returncode == 1
    assert unsent.stdout == f"sent: TEST PAGE: softdrive\n{waiting}"
    hints = f'Look for "Notify" in the log of Alertmanager, and for SessionEndTestPage at {url}/#/alerts'
    assert unsent.stderr == f"error: Alertmanager could not notify by slack. {hints}\n"
    assert len(alerts) == 1
    assert silenced.returncode == 1
    assert silenced.stderr == "error: a silence or an inhibition suppresses the page\n"
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith(
        f"error: --alertmanager '{url}/prefix': HTTP 404 Not Found. Give"
    )
    (attachment,) = message["attachments"]
    assert (path, attachment["title"]) == ("/slack-page", title)
    for text in (
        "> Test since",
        "> Causes: All worker nodes",
        "Owner: capacity",
        "|Runbook>",
        "|Dashboard>",
    ):
        assert text in attachment["text"]


def test_page_and_real_page_of_its_system_after_it_arrive_at_once(tmp_path: Path) -> None:
    with WebhookReceiver() as receiver:
        config = shipped.with_slack(tmp_path, receiver.url)
        with AlertmanagerProcess(edited(config, "interval: 3s", "interval: 1h")) as manager:
            command = ("test-page", "--alertmanager", f"http://127.0.0.1:{manager.port}")
            options = ("--system", "streampixel", "--wait", "20")
            pages = [call(*command, *options) for _ in range(2)]
            manager.post(shipped.alert("spike", "4001"))
            titles = [receiver.next()[1]["attachments"][0]["title"] for _ in range(3)]
            labels = [alert["labels"] for alert in manager.get("alerts", filter='signal="test"')]
    assert [page.stderr for page in pages] == ["", ""]
    assert titles == ["TEST PAGE: streampixel"] * 2 + ["streampixel4001spike"]
    assert [label["system"] for label in labels] == ["streampixel"] * 2


@pytest.mark.parametrize(
    ("blocks", "failing", "code"),
    [
        (["webhook"], False, 0),
        (["webhook"], True, 1),
        (["slack"], False, 1),
        (["webhook", "webhook"], False, 1),
    ],
    ids=[
        "notified",
        "failure counted after the attempt",
        "another integration notified",
        "one block of two notified",
    ],
)
def test_page_needs_an_attempt_of_every_block_of_its_receiver(
    blocks: list[str], failing: bool, code: int
) -> None:
    """Fixed answers, as of Alertmanager 0.28."""
    page = {"name": "page", **{f"{name}_configs": [{}] * blocks.count(name) for name in blocks}}
    receivers = [page, {"name": "watchdog", "webhook_configs": [{}]}]
    readings = itertools.count()

    class Alertmanager(Handler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(200, {})

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            answers: dict[str, object] = {
                "/api/v2/alerts": [
                    {"receivers": [{"name": "page"}], "status": {"state": "active"}}
                ],
                "/api/v2/status": {
                    "config": {"original": yaml.safe_dump({"receivers": receivers})}
                },
            }
            self.answer(200, answers[path] if path in answers else self.metrics(next(readings)))

        def metrics(self, made: int) -> bytes:
            name = "alertmanager_notification_requests_"
            labels = '{integration="webhook"}'
            failed = int(failing and made > 1)
            text = f"{name}failed_total{labels} {failed}\n{name}total{labels} {min(made, 1)}\n"
            return text.encode()

    with FaultyServer(Alertmanager) as server:
        done = call("test-page", "--alertmanager", server.url, "--wait", "2")
    assert done.returncode == code


def test_page_to_receiver_without_integration_is_an_error(tmp_path: Path) -> None:
    config = shipped.with_slack(tmp_path, "http://127.0.0.1:1")
    with AlertmanagerProcess(edited(config, "receiver: page", "receiver: watchdog")) as manager:
        page = call("test-page", "--alertmanager", f"http://127.0.0.1:{manager.port}")
    assert page.stdout.endswith("\nreceivers: watchdog\n")
    assert page.stderr == "error: the receivers have no slack_configs, email_configs or the like\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["http://127.0.0.1:1/"], "--alertmanager 'http://127.0.0.1:1': [Errno 111] Connection"),
        (["127.0.0.1:9093"], "--alertmanager '127.0.0.1:9093': Request URL is"),
        (["http://x", "--system", "z"], "--system 'z' is not loaded; loaded are softdrive, "),
        (["http://x", "--code", "1"], "--code '1' needs --system: softdrive or streampixel"),
        (
            ["http://x", "--system", "softdrive", "--code", "4001"],
            "--code '4001': not in `session-end-exporter codes softdrive`",
        ),
    ],
    ids=[
        "nothing listens",
        "no URL",
        "unknown system",
        "code without system",
        "unknown code",
    ],
)
def test_page_that_is_not_sent_names_the_remedy(options: list[str], error: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(error)}"):
        app(["test-page", "--alertmanager", *options])
