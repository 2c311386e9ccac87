"""A real Prometheus (Debian's) on loopback that scrapes the targets of a test."""

import contextlib
import json
import os
import random
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.demo.program import Program
from exporter import rule_files

# Each worker of pytest-xdist has ports of its own.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = (11_000 + _WORKER, 32_768, _WORKERS)
_chosen: set[int] = set()


def free_port() -> int:
    """A loopback port without a listener, which this function did not return before.

    The port is below the kernel's ephemeral ports: a connection could take an ephemeral port before the
    program listens.
    """
    while True:
        # Hypothesis seeds `random`: processes would take the same ports.
        port = random.SystemRandom().randrange(*_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _chosen:
                _chosen.add(port)
                return port


def rules_every_second(
    folder: Path, interval: str = "30s", shipped: Path | None = None
) -> list[Path]:
    """Copies in `folder` of the shipped rule files, where groups with this interval, a pattern, have 1 s."""
    folder.mkdir()
    copies = []
    for path in sorted((shipped or rule_files.RULES).glob("*.yml")):
        copies.append(folder / path.name)
        text = re.sub(rf"interval: {interval}\b", "interval: 1s", path.read_text())
        copies[-1].write_text(text)
    return copies


class PrometheusProcess(Program):
    """Scrapes `targets` each second, and evaluates the rule files `rules`."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        rules: Sequence[Path] = (),
    ) -> None:
        folder.mkdir()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        config = {
            "global": {"scrape_interval": "1s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": "exporter", "static_configs": [{"targets": [*targets]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        super().__init__(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--enable-feature=exemplar-storage",
            ],
            folder / "log",
            f"{self.url}/-/ready",
        )

    def get(self, path: str, **parameters: object) -> Any:
        """The `data` of an API answer."""
        query = urllib.parse.urlencode(parameters)
        url = f"{self.url}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def query(
        self, promql: str, at: float | None = None
    ) -> dict[frozenset[tuple[str, str]], float]:
        """An instant vector by labels."""
        when = {} if at is None else {"time": at}
        return {
            frozenset(sample["metric"].items()): float(sample["value"][1])
            for sample in self.get("query", query=promql, **when)["result"]
        }
