"""A child process of the demo."""

import http.client
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self, TypeVar

from exporter.errors import ConfigError

_START: Final = 60.0
_STOP: Final = 15.0
"""Seconds; Prometheus closes its database in one or two."""
_Result = TypeVar("_Result")


def until(condition: Callable[[], _Result | None], seconds: float, what: str) -> _Result:
    """Polls for a true value. Raises `TimeoutError`, naming `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.1)
    return result


def require(command: str) -> None:
    """Raises `ConfigError` unless `command` is installed."""
    if shutil.which(command) is None:
        raise ConfigError(f"{command}: not installed; on Debian, run `make demo` as root")


class Program:
    """Runs `command` while the `with` block lasts, which begins when `ready` (a URL) answers 200.

    Output goes to `log`. Raises `ConfigError` when the command is not installed, `ChildProcessError` when it
    exits early, `TimeoutError` when it is not ready within a minute.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        ready: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._ready = ready
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        require(self._command[0])
        # The kernel stops the program when the demo is killed: Prometheus would keep its port.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*prefix, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C reaches every process of the terminal's foreground group.
                start_new_session=True,
            )
        try:
            until(self._is_ready, _START, f"{self.name} (log: {self._log})")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raises `ChildProcessError`, with the last lines of the log, when the program has exited."""
        if self._process is not None and (code := self._process.poll()) is not None:
            last = self._log.read_text(errors="replace").splitlines()[-5:]
            raise ChildProcessError("\n".join([f"{self.name} exited with {code}:", *last]))

    def _is_ready(self) -> bool:
        self.check()
        try:
            with urllib.request.urlopen(self._ready, timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):
            return False
