"""A real Prometheus (Debian's) on loopback, scraping whatever a test starts."""

import json
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.e2e.exporter_process import wait_for


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class PrometheusProcess:
    """Scrapes `targets` every `interval` seconds and evaluates the rule files `rules`."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        interval: float = 1.0,
        rules: Sequence[Path] = (),
    ) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        config = {
            "global": {"scrape_interval": f"{interval * 1000:.0f}ms"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [
                {"job_name": "exporter", "static_configs": [{"targets": [*targets]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))

    def __enter__(self) -> Self:
        log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        wait_for(self._is_ready, what=f"Prometheus, see {self._folder / 'log'}")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def get(self, path: str, **parameters: object) -> Any:
        """The `data` of an API answer."""
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def query(
        self, promql: str, at: float | None = None
    ) -> dict[frozenset[tuple[str, str]], float]:
        """An instant vector by labels."""
        when = {} if at is None else {"time": at}
        return {
            frozenset(one["metric"].items()): float(one["value"][1])
            for one in self.get("query", query=promql, **when)["result"]
        }

    def _is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True
