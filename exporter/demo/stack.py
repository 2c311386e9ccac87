"""The programs of the demo: addresses, configuration and commands, in one folder."""

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from exporter import rule_files
from exporter.demo.compressed import compressed
from exporter.demo.program import Program
from exporter.errors import ConfigError
from exporter.names import READY_PATH
from exporter.settings import PREFIX

JOB: Final = "session-end-exporter"
"""The job that the rules select."""
_HOST: Final = "127.0.0.1"
_SCRAPE: Final = "1s"
"""The shipped 15s divided by the demo's speed would be half a second."""
_SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "alertmanager"
_FOLDERS: Final = ("exporter", "prometheus", "alertmanager")


class Addresses(NamedTuple):
    """HOST:PORT of each listener."""

    ingest: str
    ops: str
    prometheus: str
    alertmanager: str


def choose_addresses() -> Addresses:
    """The default ports on loopback; a free port instead of a port that is in use."""

    def listen(port: int) -> socket.socket:
        try:
            return socket.create_server((_HOST, port))
        except OSError:
            return socket.create_server((_HOST, 0))

    # All ports stay open until the last is chosen: no port is chosen twice.
    with ExitStack() as stack:
        servers = [stack.enter_context(listen(port)) for port in (10400, 10401, 9090, 9093)]
        return Addresses(*(f"{_HOST}:{server.getsockname()[1]}" for server in servers))


@contextmanager
def workspace(folder: Path) -> Iterator[Path]:
    """`folder`, created, without the files of an earlier demo, and locked against a second demo."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{folder}: another demo is running there; use --folder for another directory"
            ) from None
        # By name: other files in the folder stay.
        for name in _FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
        yield folder.resolve()


def configure(folder: Path, addresses: Addresses, receiver: str) -> None:
    """Writes the configuration: shipped files with short durations, and webhooks at `receiver`."""
    rules = folder / "prometheus" / "rules"
    rules.mkdir()
    for path in rule_files.folder().glob("*.yml"):
        (rules / path.name).write_text(compressed(path.read_text("utf-8")), "utf-8")
    shutil.copytree(_SHIPPED / "templates", folder / "alertmanager" / "templates")
    alertmanager = yaml.safe_load(compressed((_SHIPPED / "alertmanager.yml").read_text("utf-8")))
    for target in alertmanager["receivers"]:
        target.pop("slack_configs")
        target["webhook_configs"] = [{"url": f"{receiver}/{target['name']}"}]
    prometheus = {
        "global": {"scrape_interval": _SCRAPE, "evaluation_interval": _SCRAPE},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [addresses.ops]}]}],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [addresses.alertmanager]}]}]
        },
    }
    for name, document in (("alertmanager", alertmanager), ("prometheus", prometheus)):
        (folder / name / f"{name}.yml").write_text(yaml.safe_dump(document), "utf-8")


def alertmanager_command() -> str:
    """Debian installs Alertmanager under a longer name."""
    return "prometheus-alertmanager" if shutil.which("prometheus-alertmanager") else "alertmanager"


def programs(folder: Path, addresses: Addresses) -> tuple[Program, Program, Program]:
    """Exporter, Alertmanager and Prometheus, not started."""
    # A token file among the exporter's variables would lock out the demo's Prometheus.
    environment = {
        name: text for name, text in os.environ.items() if not name.upper().startswith(PREFIX)
    }
    flags = ("--data-dir", f"{folder}/exporter/data", "--ingest", addresses.ingest)
    exporter = (sys.executable, "-m", "exporter", "serve", *flags, "--ops", addresses.ops)

    def program(name: str, command: tuple[str, ...], address: str) -> Program:
        ready = f"http://{address}{READY_PATH}"
        return Program(name, command, folder / name / "log", ready, environment)

    def server(name: str, command: str, address: str, *flags: str) -> Program:
        config = f"--config.file={folder}/{name}/{name}.yml"
        return program(name, (command, config, f"--web.listen-address={address}", *flags), address)

    return (
        program("exporter", exporter, addresses.ops),
        server(
            *("alertmanager", alertmanager_command(), addresses.alertmanager),
            f"--storage.path={folder}/alertmanager/data",
            "--cluster.listen-address=",
        ),
        server(
            *("prometheus", "prometheus", addresses.prometheus),
            f"--storage.tsdb.path={folder}/prometheus/data",
            "--enable-feature=exemplar-storage",
        ),
    )
