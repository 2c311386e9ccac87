"""Grafana for the demo, if it is installed: with the shipped dashboards, without a login."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.demo.program import Program
from deploy.demo.stack import compressed
from exporter.errors import ConfigError

OLDEST: Final = 10
"""The oldest major version of Grafana that the demo accepts."""
_PACKAGED: Final = Path("/usr/share/grafana")
"""The home path of Grafana's Debian and RPM packages."""
_ROOT: Final = Path(__file__).parents[2]


def find(homepath: Path | None) -> tuple[Path, Path] | None:
    """Program and home path of an installed Grafana: in `homepath`, or of the program on PATH.

    None if Grafana is not installed. Raises `ConfigError` if `homepath` has no Grafana, or if it is too old.
    """
    if homepath is None:
        command = shutil.which("grafana") or shutil.which("grafana-server")
        if command is None:
            return None
        program = Path(command).resolve()
        homepath = next((path for path in program.parents if _is_home(path)), _PACKAGED)
    else:
        program = homepath / "bin" / "grafana"
    if not _is_home(homepath) or not program.is_file():
        raise ConfigError(f"{homepath}: not the home path of a Grafana with bin/grafana and conf/")
    if (major := _major(program)) < OLDEST:
        raise ConfigError(
            f"{program}: version {major}; the dashboards need Grafana {OLDEST} or later"
        )
    return program, homepath


def _is_home(path: Path) -> bool:
    return (path / "conf" / "defaults.ini").is_file()


def _major(program: Path) -> int:
    command = (
        [str(program), "-v"] if program.name == "grafana-server" else [str(program), "--version"]
    )
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    version = re.search(r"version (\d+)\.", done.stdout, re.IGNORECASE)
    return int(version[1]) if version else 0


def program(folder: Path, installed: tuple[Path, Path], address: str, prometheus: str) -> Program:
    """Grafana on `address` with `prometheus` (HOST:PORT each), not started; its files are in `folder`.

    It has the shipped provisioning with short intervals.
    """
    provisioning = folder / "provisioning"
    shutil.copytree(_ROOT / "deploy/grafana/provisioning", provisioning)
    for path in provisioning.glob("*/*.yaml"):
        text = compressed(path.read_text("utf-8")).replace(
            "$PROMETHEUS_URL", f"http://{prometheus}"
        )
        shipped = "/var/lib/grafana/dashboards/session-ends"
        path.write_text(text.replace(shipped, str(_ROOT / "dashboards")), "utf-8")
    command, home = installed
    host, _, port = address.rpartition(":")
    settings = {
        "paths.data": folder / "data",
        "paths.logs": folder / "logs",
        "paths.plugins": folder / "plugins",
        "paths.provisioning": provisioning,
        "server.http_addr": host,
        "server.http_port": port,
        "auth.anonymous.enabled": "true",
        "analytics.reporting_enabled": "false",
        "analytics.check_for_updates": "false",
        "analytics.check_for_plugin_updates": "false",
        "plugins.preinstall_disabled": "true",
        "news.news_feed_enabled": "false",
    }
    server = () if command.name == "grafana-server" else ("server",)
    flags = (f"cfg:default.{name}={value}" for name, value in settings.items())
    return Program(
        [str(command), *server, f"--homepath={home}", *flags],
        folder / "grafana.log",
        f"http://{address}/api/health",
    )


def dashboard(address: str) -> str:
    """The URL of the overview, with a time range as short as the demo."""
    return f"http://{address}/d/session-ends?from=now-10m&to=now"
