"""A real exporter in a process of its own, on free loopback ports."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
_READY = re.compile(r"(send events to|metrics)\s+https?://([\d.]+):(\d+)")


def mutated(mutant: str) -> list[str]:
    """The command of the exporter with `mutant`, Python code that runs first and removes a guard."""
    return [sys.executable, "-c", f"{mutant}\nfrom exporter.cli import main\nmain()"]


def wait_for(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """Wait for the condition and return its first true value. Raises AssertionError after `seconds`."""
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        if result := condition():
            return result
        # The longer the wait, the longer the pauses: checks take processor time from other tests.
        time.sleep(min(max(0.01, elapsed / 20), 0.1))
    raise AssertionError(f"not within {seconds:g} s: {what or condition}")


class Reply:
    """A status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ExporterProcess:
    """An exporter that runs until the end of the `with` block at most; `log` is its standard error.

    `wrapper` is a command that starts the exporter, such as strace. With `mutant`, see `mutated`, a test can
    show that it fails without a guard. `program` is the command of another installation; it runs in the
    parent folder of `data_dir`.
    """

    def __init__(
        self,
        data_dir: Path,
        *flags: str,
        settings: Mapping[str, object] | None = None,
        wrapper: Sequence[str] = (),
        mutant: str = "",
        log_file: Path | None = None,
        program: Sequence[str | Path] = (),
    ) -> None:
        self.data_dir = data_dir
        self.log_file = log_file or data_dir.parent / f"{data_dir.name}.log"
        self._folder = data_dir.parent if program else ROOT
        self._command = [
            *wrapper,
            *map(str, program or mutated(mutant)),
            *("serve", "--data-dir", str(data_dir)),
            *("--ingest", "127.0.0.1:0", "--ops", "127.0.0.1:0", *flags),
        ]
        self._settings = {
            f"SESSION_EXPORTER_{key.upper()}": str(value) for key, value in (settings or {}).items()
        }
        self.ports: dict[str, int] = {}
        self.announced = ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> Self:
        self.launch()
        assert self._process.stdout
        self.announced = ""
        while "curl" not in self.announced:
            line = self._process.stdout.readline()
            if not line:
                raise AssertionError(f"ended at start, {self.wait()}: {self.log}")
            self.announced += line
            if match := _READY.search(line):
                self.ports["ops" if match[1] == "metrics" else "ingest"] = int(match[3])
        return self

    def launch(self) -> subprocess.Popen[str]:
        """Start without waiting for it to be ready."""
        self.ports = {}
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._folder,
                env={**os.environ, **self._settings, "PYTHONUNBUFFERED": "1"},
            )
        return self._process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The log's JSON lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def stop(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.terminate()
        return self.wait()

    def terminate(self) -> None:
        """Send SIGTERM without waiting."""
        self._process.terminate()

    def stop_traced(self) -> None:
        """Send SIGTERM to the exporter, the child of a tracer that ends with it."""
        os.kill(self._children()[0], signal.SIGTERM)
        self.wait()

    def wait(self, seconds: float = 30.0) -> int:
        code = self._process.wait(seconds)
        assert self._process.stdout
        self._process.stdout.close()
        return code

    def kill(self) -> None:
        """Send SIGKILL if the exporter still runs."""
        # Children first: a killed strace leaves the traced program running.
        if self._process.poll() is None:
            for child in self._children():
                os.kill(child, signal.SIGKILL)
        self._process.kill()
        self.wait()

    def _children(self) -> list[int]:
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in text.split()]

    def request(
        self,
        listener: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[listener], timeout=timeout)
        with contextlib.closing(connection):
            # A body that is refused unread breaks the pipe, but the answer can still be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, dict(headers or {}))
            return Reply(connection.getresponse())

    def post(self, events: object, timeout: float = 30, **headers: str) -> Reply:
        """Post events as JSON, or bytes as they are; headers have `_` for `-`."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        sent = {"Content-Type": "application/json", **named}
        return self.request("ingest", "POST", "/v1/session-ends", body, sent, timeout)

    def ready(self) -> bool:
        status = self.request("ops", "GET", "/-/ready").status
        assert status in (200, 503)
        return status == 200

    def metrics(self, name: str = "") -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of /metrics by name and labels, or those whose names begin with `name`."""
        from prometheus_client.parser import text_string_to_metric_families

        reply = self.request("ops", "GET", "/metrics")
        assert reply.status == 200, reply.body
        # Parsing all lines takes 20 ms.
        lines = [line for line in reply.body.decode().split("\n") if line.startswith(name)]
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families("\n".join(lines))
            for sample in family.samples
        }

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        wanted = set(labels.items())
        return sum(
            value
            for (sample, has), value in self.metrics(name).items()
            if sample == name and wanted <= has
        )
