"""The shipped Alertmanager files, and copies of them with short timings and the receivers of a test."""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "alertmanager"
CONFIG = FOLDER / "alertmanager.yml"
RECEIVERS = FOLDER / "receivers.yml"
_TIMES = {"group_wait": "500ms", "group_interval": "3s", "repeat_interval": "4h"}
"""Long enough for the alerts of one POST, and for an alert to come and go a few times."""


def quick(folder: Path) -> Path:
    """A copy in `folder` with short timings, and tickets at any time of the week."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    config = folder / CONFIG.name
    text = config.read_text().replace("active_time_intervals: [office-hours]", "")
    for key, time in _TIMES.items():
        text = re.sub(rf"\b{key}: \w+", f"{key}: {time}", text)
    config.write_text(text)
    return config


def with_slack(folder: Path, url: str) -> Path:
    """The shipped receivers, with addresses below `url` in the two secret files."""
    for name in ("slack-page", "slack-ticket"):
        (folder / name).write_text(f"{url}/{name}\n")
    config = quick(folder)
    config.write_text(config.read_text().replace("/etc/prometheus/secrets", str(folder)))
    return config


def with_webhooks(folder: Path, url: str, smarthost: str = "") -> Path:
    """Every receiver is a webhook at its own name.

    With a mail server, `page` also has the shipped blocks of Slack, at `/slack`, and of e-mail.
    """
    path = quick(folder)
    config = yaml.safe_load(path.read_text())
    config["receivers"] = [
        {"name": name, "webhook_configs": [{"url": f"{url}/{name}", "send_resolved": True}]}
        for name in (receiver["name"] for receiver in config["receivers"])
    ]
    if smarthost:
        (page,) = (receiver for receiver in config["receivers"] if receiver["name"] == "page")
        (slack,) = shipped_receivers()["slack"]["slack_configs"]
        del slack["api_url_file"]
        (mail,) = shipped_receivers()["email"]["email_configs"]
        # A server that needs no password and has no TLS.
        mail = {key: value for key, value in mail.items() if not key.startswith("auth_")}
        page["slack_configs"] = [slack | {"api_url": f"{url}/slack"}]
        page["email_configs"] = [mail | {"smarthost": smarthost, "require_tls": False}]
    path.write_text(yaml.safe_dump(config))
    return path


def shipped_receivers() -> dict[str, dict[str, Any]]:
    """The receivers that users copy, by name, including those in comments."""
    text = re.sub(r"(?m)^  # (?=- name:|  )", "  ", RECEIVERS.read_text())
    return {receiver.pop("name"): receiver for receiver in yaml.safe_load(text)["receivers"]}


def alert(
    signal: str,
    code: str | None = None,
    *,
    system: str | None = "streampixel",
    resolved: bool = False,
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> dict[str, Any]:
    """An alert that begins now, as Prometheus sends it, with the labels of the rules.

    An earlier start would skip `group_wait`: Alertmanager does not apply it to an alert older than
    `group_wait`.
    """
    now = datetime.now(UTC)
    named = {"system": system, "code": code}
    return {
        "labels": {
            "alertname": f"{system}{code}{signal}",
            "severity": "page" if signal in ("spike", "stopped") else "ticket",
            "signal": signal,
            **{name: value for name, value in named.items() if value is not None},
            **labels,
        },
        "annotations": dict(annotations or {}),
        "startsAt": (now - timedelta(milliseconds=1)).isoformat(),
        "endsAt": (now if resolved else now + timedelta(hours=1)).isoformat(),
    }
