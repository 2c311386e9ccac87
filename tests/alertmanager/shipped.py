"""The shipped Alertmanager files, and copies of them that a test can wait for."""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "alertmanager"
SECRETS = "/etc/prometheus/secrets"
_TIMES = {"group_wait": "500ms", "group_interval": "3s", "repeat_interval": "4h"}
"""Long enough for what one POST brings, and for a test's alert to come and go a few times."""


def files() -> dict[str, str]:
    """The shipped files by their path below the checkout."""
    paths = [FOLDER / "alertmanager.yml", *sorted((FOLDER / "templates").glob("*.tmpl"))]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths}


def config_text() -> str:
    return (FOLDER / "alertmanager.yml").read_text()


def write(folder: Path, *, quick: bool = True, secrets: str | None = None) -> Path:
    """A copy in `folder`; the timings and the secrets' folder are replaced."""
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    config = folder / "alertmanager.yml"
    text = config.read_text()
    if quick:
        for key, time in _TIMES.items():
            text = re.sub(rf"\b{key}: \w+", f"{key}: {time}", text)
    if secrets is not None:
        text = text.replace(SECRETS, secrets)
    config.write_text(text)
    return config


def with_slack(folder: Path, url: str) -> Path:
    """As shipped, with the webhooks' addresses in the two files; the path of the request tells which."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name in ("slack-page", "slack-ticket"):
        (secrets / name).write_text(f"{url}/{name}\n")
    return write(folder, secrets=str(secrets))


def with_webhooks(folder: Path, url: str) -> Path:
    """Every receiver is a webhook at its own name."""
    return _with_receivers(
        folder,
        lambda name: {"webhook_configs": [{"url": f"{url}/{name}", "send_resolved": True}]},
    )


def with_mail(folder: Path, smarthost: str) -> Path:
    """Every receiver has the file's e-mail block, with this server and without its password."""
    (block,) = pasted()["email_configs"]
    mail = {key: value for key, value in block.items() if not key.startswith("auth_")}
    mail |= {"smarthost": smarthost, "require_tls": False}
    return _with_receivers(folder, lambda _: {"email_configs": [mail]})


def pasted() -> dict[str, list[dict[str, Any]]]:
    """The blocks at the file's end that people paste into a receiver."""
    tail = config_text().split("# To paste into a receiver", 1)[1]
    lines = [line.removeprefix("#") for line in tail.splitlines() if line.startswith("#    ")]
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load("\n".join(lines))
    return found


def _with_receivers(folder: Path, integrations: Any) -> Path:
    path = write(folder)
    config = yaml.safe_load(path.read_text())
    config["receivers"] = [
        {"name": one["name"], **integrations(one["name"])} for one in config["receivers"]
    ]
    path.write_text(yaml.safe_dump(config))
    return path


def alert(
    signal: str,
    code: str | None = None,
    *,
    system: str | None = "streampixel",
    resolved: bool = False,
    annotations: Mapping[str, str] | None = None,
    **labels: str,
) -> dict[str, Any]:
    """An alert as Prometheus sends it, since now, with the rules' labels.

    Not earlier: Alertmanager doesn't wait `group_wait` for an alert that is older than that.
    """
    severity = "page" if signal in ("spike", "stopped") else "ticket"
    now = datetime.now(UTC)
    named = {"system": system, "code": code}
    return {
        "labels": {
            "alertname": f"{system}{code}{signal}",
            "severity": severity,
            "signal": signal,
            **{name: value for name, value in named.items() if value is not None},
            **labels,
        },
        "annotations": dict(annotations or {}),
        "startsAt": (now - timedelta(milliseconds=1)).isoformat(),
        "endsAt": (now if resolved else now + timedelta(hours=1)).isoformat(),
    }
