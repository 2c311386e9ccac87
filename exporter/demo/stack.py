"""The programs of the demo, each with its configuration, in one folder."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from exporter import rule_files
from exporter.demo.compressed import compressed
from exporter.demo.ports import HOST, Ports
from exporter.demo.program import Program
from exporter.errors import ConfigError
from exporter.names import READY_PATH
from exporter.settings import PREFIX

CHECKOUT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("exporter", "prometheus", "alertmanager", "grafana")
JOB: Final = "session-end-exporter"
"""The job that the rules look for."""
SCRAPE: Final = "1s"
"""15s of deploy/prometheus/prometheus.yml would be half a second; with a whole one there are three in the
shortest window."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Where each program is; `grafana` is "" when it is not on this machine."""

    ingest: str
    ops: str
    prometheus: str
    alertmanager: str
    grafana: str

    @classmethod
    def choose(cls, ports: Ports, *, grafana: bool) -> "Urls":
        """The default ports, or the next that are free."""

        def url(program: str, usual: int) -> str:
            return f"http://{HOST}:{ports.port(program, usual)}"

        return cls(
            url("the exporter (events)", 10400),
            url("the exporter (pages)", 10401),
            url("Prometheus", 9090),
            url("Alertmanager", 9093),
            url("Grafana", 3000) if grafana else "",
        )


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """`folder`, made and emptied of an earlier demo's files, for one demo at a time.

    Raises `ConfigError` when another one runs in it, or it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder}: another demo runs in it; --folder names another one"
            ) from None
        # By name: a folder given by mistake keeps everything else that is in it.
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        yield folder.resolve()


def configure(folder: Path, urls: Urls, receiver: str) -> None:
    """Write the shipped rules and Alertmanager configuration, compressed, and Prometheus' configuration.

    Alertmanager's receivers are webhooks at `receiver`, each at its own name.
    """
    rules = folder / "prometheus" / "rules"
    rules.mkdir()
    for path in rule_files.folder().glob("*.yml"):
        (rules / path.name).write_text(compressed(path.read_text("utf-8")), encoding="utf-8")
    shipped = CHECKOUT / "deploy" / "alertmanager"
    shutil.copytree(shipped / "templates", folder / "alertmanager" / "templates")
    document = yaml.safe_load(compressed((shipped / "alertmanager.yml").read_text("utf-8")))
    for one in document["receivers"]:
        url = f"{receiver}/{one['name']}"
        one.pop("slack_configs")
        one["webhook_configs"] = [{"url": url, "send_resolved": True}]
    (folder / "alertmanager" / "alertmanager.yml").write_text(
        yaml.safe_dump(document), encoding="utf-8"
    )
    (folder / "prometheus" / "prometheus.yml").write_text(
        yaml.safe_dump(_prometheus(rules, urls)), encoding="utf-8"
    )


def exporter(folder: Path, urls: Urls) -> Program:
    """Without the variables of the environment: a token in them would shut out the demo's Prometheus."""
    flags = ("--ingest", _address(urls.ingest), "--ops", _address(urls.ops))
    return Program(
        "the exporter",
        (
            sys.executable,
            "-m",
            "exporter",
            "serve",
            "--data-dir",
            f"{folder}/exporter/data",
            *flags,
        ),
        folder / "exporter" / "log",
        f"{urls.ops}{READY_PATH}",
        {key: value for key, value in os.environ.items() if not key.upper().startswith(PREFIX)}
        | {f"{PREFIX}DASHBOARD_URL": urls.grafana},
    )


def prometheus(folder: Path, urls: Urls) -> Program:
    home = folder / "prometheus"
    return Program(
        "Prometheus",
        (
            "prometheus",
            f"--config.file={home}/prometheus.yml",
            f"--storage.tsdb.path={home}/data",
            f"--web.listen-address={_address(urls.prometheus)}",
            "--enable-feature=exemplar-storage",
        ),
        home / "log",
        f"{urls.prometheus}{READY_PATH}",
    )


def pager(folder: Path, urls: Urls) -> Program:
    """Alertmanager, which Debian installs under a longer name; without a cluster, which wants more ports."""
    name = next(filter(shutil.which, ("prometheus-alertmanager", "alertmanager")), "alertmanager")
    home = folder / "alertmanager"
    return Program(
        "Alertmanager",
        (
            name,
            f"--config.file={home}/alertmanager.yml",
            f"--storage.path={home}/data",
            f"--web.listen-address={_address(urls.alertmanager)}",
            "--cluster.listen-address=",
        ),
        home / "log",
        f"{urls.alertmanager}{READY_PATH}",
    )


def _prometheus(rules: Path, urls: Urls) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": JOB,
                "static_configs": [{"targets": [_address(urls.ops)]}],
            }
        ],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [_address(urls.alertmanager)]}]}]
        },
    }


def _address(url: str) -> str:
    return url.removeprefix("http://")
