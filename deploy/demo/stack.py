"""The programs of the demo: addresses, configuration and commands."""

import re
import shutil
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from deploy.demo.program import Program
from exporter import rule_files
from exporter.errors import ConfigError
from exporter.names import READY_PATH

SPEED: Final = 30
"""Simulated seconds per second. It is the greatest divisor with which the windows of the rules are whole
seconds, and the shortest window has several scrapes: 90 s become 3 s, and an hour becomes two minutes."""
_PORTS: Final = {
    "ingest": 10400,
    "ops": 10401,
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
}
_SHIPPED: Final = Path(__file__).parents[1]
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def addresses() -> dict[str, str]:
    """HOST:PORT of each listener: the default port, or a free port instead of a port that is in use."""

    def listen(port: int) -> socket.socket:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            return socket.create_server(("127.0.0.1", 0))

    # All ports stay open until the last is chosen: no port is chosen twice.
    with ExitStack() as stack:
        servers = [stack.enter_context(listen(port)) for port in _PORTS.values()]
        chosen = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    return dict(zip(_PORTS, chosen, strict=True))


def compressed(text: str, speed: int = SPEED) -> str:
    """A rule file or configuration with every duration divided by `speed` and rounded up.

    Alertmanager's 40 s must remain longer than an evaluation of the rules.
    """

    def shorter(match: re.Match[str]) -> str:
        parts = re.findall(r"(\d+)([smhd])", match[0])
        return f"{-(-sum(int(number) * _UNITS[unit] for number, unit in parts) // speed)}s"

    return re.sub(r"\b(?:\d+[smhd])+\b", shorter, text)


def configure(folder: Path, listeners: dict[str, str], receiver: str, speed: int = SPEED) -> None:
    """Writes the shipped files with short durations, these addresses, and `receiver` in place of Slack."""
    shutil.copytree(rule_files.RULES, folder / "rules")
    shutil.copytree(_SHIPPED / "alertmanager", folder, dirs_exist_ok=True)
    shutil.copy(_SHIPPED / "prometheus" / "prometheus.yml", folder)
    for name in ("slack-page", "slack-ticket"):
        (folder / name).write_text(f"{receiver}/{name}")
    replaced = {f"127.0.0.1:{_PORTS[name]}": address for name, address in listeners.items()}
    replaced |= {"../../rules": "rules", "/etc/prometheus/secrets": str(folder)}
    # The demo shows tickets at any time.
    replaced["active_time_intervals: [office-hours]"] = ""
    for path in (*folder.glob("*.yml"), *folder.glob("rules/*.yml")):
        text = compressed(path.read_text("utf-8"), speed)
        for shipped, own in replaced.items():
            text = text.replace(shipped, own)
        path.write_text(text, "utf-8")


def check_installed() -> None:
    """Raises `ConfigError` when a program is not installed."""
    for command in ("prometheus", "promtool", _alertmanager()):
        if shutil.which(command) is None:
            raise ConfigError(f"{command}: not installed; on Debian, run `make demo` as root")


def _alertmanager() -> str:
    """Debian installs Alertmanager under a longer name."""
    return "prometheus-alertmanager" if shutil.which("prometheus-alertmanager") else "alertmanager"


def programs(folder: Path, listeners: dict[str, str]) -> list[Program]:
    """Exporter, Alertmanager and Prometheus, not started."""
    ingest, ops, prometheus, alertmanager, _ = listeners.values()
    serve = (sys.executable, "-m", "exporter", "serve", f"--data-dir={folder}/ledger")
    commands: dict[str, tuple[str, ...]] = {
        ops: (*serve, f"--ingest={ingest}", f"--ops={ops}"),
        alertmanager: (
            *(_alertmanager(), f"--config.file={folder}/alertmanager.yml"),
            *(f"--storage.path={folder}/silences", f"--web.listen-address={alertmanager}"),
            "--cluster.listen-address=",
        ),
        prometheus: (
            *("prometheus", f"--config.file={folder}/prometheus.yml"),
            *(f"--storage.tsdb.path={folder}/samples", f"--web.listen-address={prometheus}"),
            "--enable-feature=exemplar-storage",
        ),
    }
    return [
        Program(command, folder / f"{number}.log", f"http://{address}{READY_PATH}")
        for number, (address, command) in enumerate(commands.items())
    ]
