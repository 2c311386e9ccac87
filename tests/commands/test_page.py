"""`test-page`: a real Alertmanager notifies of the test alert, and errors say what to do."""

import re
from pathlib import Path

import httpx
import pytest

from exporter.cli import app
from exporter.errors import ConfigError
from tests.alertmanager import shipped
from tests.commands.running import call
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookReceiver

SILENCE = {
    "matchers": [{"name": "alertname", "value": "SessionEndTestPage", "isRegex": False}],
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2126-01-01T00:00:00Z",
    "createdBy": "a test",
    "comment": "",
}


def test_page_of_a_code_arrives_through_the_routes_of_a_page(tmp_path: Path) -> None:
    with (
        WebhookReceiver() as receiver,
        AlertmanagerProcess(shipped.with_slack(tmp_path, receiver.url)) as manager,
    ):
        url = f"http://127.0.0.1:{manager.port}"
        options = ("--system", "streampixel", "--code", "no worker node available")
        dashboards = {"SESSION_EXPORTER_DASHBOARD_URL": "https://grafana.example"}
        shown = call("test-page", "--alertmanager", url, *options, **dashboards)
        path, message = receiver.next()
        (tmp_path / "slack-page").unlink()
        unsent = call("test-page", "--alertmanager", url, "--system", "softdrive")
        alerts = manager.get("alerts", filter='system="softdrive"')
        httpx.post(f"{url}/api/v2/silences", json=SILENCE, trust_env=False).raise_for_status()
        silenced = call("test-page", "--alertmanager", url)
        wrong = call("test-page", "--alertmanager", f"{url}/prefix/")
    title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"sent: {title}\nreceivers: page\n")
    assert shown.stdout.endswith("\nnotified: slack\n")
    # amtool accepts the configuration without the file.
    assert unsent.returncode == 1
    assert "notified" not in unsent.stdout
    hints = f'Look for "Notify" in the log of Alertmanager, and for SessionEndTestPage at {url}/#/alerts'
    assert unsent.stderr == f"error: Alertmanager could not notify by slack. {hints}\n"
    assert unsent.stdout.startswith("sent: TEST PAGE: softdrive\n")
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
        "> This is a test",
        "> Causes: All worker nodes",
        "Owner: capacity",
        "|Runbook>",
        "|Dashboard>",
    ):
        assert text in attachment["text"]


def test_page_that_alertmanager_does_not_send_in_time_is_an_error(tmp_path: Path) -> None:
    config = shipped.with_slack(tmp_path, "http://127.0.0.1:1")
    config.write_text(config.read_text().replace("group_wait: 500ms", "group_wait: 1h"))
    with AlertmanagerProcess(config) as manager:
        late = call(
            "test-page", "--alertmanager", f"http://127.0.0.1:{manager.port}", "--wait", "0.1"
        )
    assert late.returncode == 1
    assert late.stdout.startswith("sent: TEST PAGE: session-end-exporter\nreceivers: page\n")
    assert late.stderr.startswith("error: Alertmanager sent no notification within 0.1 s. Look for")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["http://127.0.0.1:1/"], "--alertmanager 'http://127.0.0.1:1': [Errno 111] Connection"),
        (["127.0.0.1:9093"], "--alertmanager '127.0.0.1:9093': not a URL such as http://"),
        (["http://x", "--system", "z"], "--system 'z' is not loaded; loaded are softdrive, "),
        (["http://x", "--code", "1"], "--code '1' needs --system: softdrive or streampixel"),
        (
            ["http://x", "--system", "softdrive", "--code", "4001"],
            "--code '4001': not in `session-end-exporter codes softdrive`",
        ),
    ],
    ids=["nothing listens", "no URL", "unknown system", "code without system", "unknown code"],
)
def test_page_that_is_not_sent_names_the_remedy(options: list[str], error: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(error)}"):
        app(["test-page", "--alertmanager", *options])
