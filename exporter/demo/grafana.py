"""Grafana, where it is installed: the shipped dashboards over the demo's Prometheus, nothing to log in to."""

import os
import shutil
from pathlib import Path
from typing import Final

import yaml

from exporter.demo.ports import HOST
from exporter.demo.program import Program
from exporter.demo.stack import CHECKOUT, SCRAPE, Urls

_HOMES: Final = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/grafana")


def command() -> tuple[str, ...]:
    """How Grafana is started on this machine; empty when it is not here."""
    if shutil.which("grafana"):
        return ("grafana", "server")
    return ("grafana-server",) if shutil.which("grafana-server") else ()


def program(folder: Path, urls: Urls) -> Program:
    """Grafana with the shipped dashboards and nothing to log in to; `command` is not empty."""
    home = folder / "grafana"
    _provision(home / "provisioning", CHECKOUT / "dashboards", urls.prometheus)
    homepath = next((path for path in _HOMES if Path(path).is_dir()), "")
    settings = {
        "PATHS_DATA": f"{home}/data",
        "PATHS_LOGS": f"{home}/logs",
        "PATHS_PLUGINS": f"{home}/plugins",
        "PATHS_PROVISIONING": f"{home}/provisioning",
        "SERVER_HTTP_ADDR": HOST,
        "SERVER_HTTP_PORT": urls.grafana.rpartition(":")[2],
        "AUTH_ANONYMOUS_ENABLED": "true",
        "AUTH_DISABLE_LOGIN_FORM": "true",
        "ANALYTICS_REPORTING_ENABLED": "false",
        "ANALYTICS_CHECK_FOR_UPDATES": "false",
        "ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "NEWS_NEWS_FEED_ENABLED": "false",
    }
    return Program(
        "Grafana",
        (*command(), *([f"--homepath={homepath}"] if homepath else [])),
        home / "log",
        f"{urls.grafana}/api/health",
        {**os.environ, **{f"GF_{key}": value for key, value in settings.items()}},
    )


def _provision(folder: Path, dashboards: Path, prometheus_url: str) -> None:
    """As deploy/grafana/provisioning, with this machine's paths and a scrape a second."""
    source = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus_url,
        "isDefault": True,
        "jsonData": {"httpMethod": "POST", "timeInterval": SCRAPE},
    }
    provider = {
        "name": "session-ends",
        "folder": "Session ends",
        "type": "file",
        "options": {"path": str(dashboards)},
    }
    for name, key, one in (
        ("datasources", "datasources", source),
        ("dashboards", "providers", provider),
    ):
        (folder / name).mkdir(parents=True)
        text = yaml.safe_dump({"apiVersion": 1, key: [one]})
        (folder / name / "demo.yaml").write_text(text, encoding="utf-8")
