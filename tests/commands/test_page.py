"""`test-page`: a real Alertmanager notifies of the test alert, and errors say what to do."""

import re
from pathlib import Path

import pytest

from exporter.cli import app
from exporter.errors import ConfigError
from tests.alertmanager import shipped
from tests.commands.running import call
from tests.e2e.alertmanager_process import AlertmanagerProcess, WebhookReceiver


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
        shown = call("test-page", "--alertmanager", url, *options)
        path, message = receiver.next()
        (tmp_path / "slack-page").unlink()
        unsent = call("test-page", "--alertmanager", url, "--system", "softdrive")
        wrong = call("test-page", "--alertmanager", f"{url}/prefix/")
    title = "TEST PAGE: 4001 No Worker Node Available on streampixel"
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == f"sent: {title}\nreceivers: page\nnotified: slack\n"
    # amtool accepts the configuration without the file.
    assert unsent.returncode == 1
    assert unsent.stdout == "sent: TEST PAGE: softdrive\nreceivers: page\n"
    hints = f'Look for "Notify" in the log of Alertmanager, and for SessionEndTestPage at {url}/#/alerts'
    assert unsent.stderr == f"error: Alertmanager could not notify by slack. {hints}\n"
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith(
        f"error: --alertmanager '{url}/prefix': HTTP 404 Not Found. Give"
    )
    (attachment,) = message["attachments"]
    assert (path, attachment["title"]) == ("/slack-page", title)
    for text in ("> Test since", "> Causes: All worker nodes", "Owner: capacity", "|Runbook>"):
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
