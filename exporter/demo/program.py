"""One program of the demo, from its start to its end."""

import http.client
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from exporter.demo.waiting import until
from exporter.errors import ConfigError

_START: Final = 60.0
_END: Final = 15.0
"""Seconds. Prometheus closes its database in one or two."""


class Program:
    """Runs `command` while the `with` block does; it is there once `ready` (a URL) answers 200.

    Its output goes to `log`. It ends with SIGTERM, and with the demo itself, however that ends. Raises
    `ConfigError` when it is not installed, `ChildProcessError` when it ends by itself, `TimeoutError` when
    it does not become ready within a minute.
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
        if shutil.which(self._command[0]) is None:
            raise ConfigError(f"{self.name}: there is no {self._command[0]} on this machine")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*_leash(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                # Ctrl-C goes to everything in the terminal's foreground; the order of the end is ours.
                start_new_session=True,
            )
        try:
            until(self._is_ready, _START, f"{self.name} (its log is {self._log})")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def check(self) -> None:
        """Raises `ChildProcessError`, with the log's last lines, when it ended by itself."""
        if self._process is None or (code := self._process.poll()) is None:
            return
        last = self._log.read_text(errors="replace").splitlines()[-5:]
        raise ChildProcessError("\n".join([f"{self.name} ended with {code}:", *last]))

    def _is_ready(self) -> bool:
        self.check()
        try:
            with urllib.request.urlopen(self._ready, timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _leash() -> Sequence[str]:
    """A command in front that ends the program when the demo dies without a word (kill -9): Prometheus
    would hold its port until the next reboot. Only Linux has it, and only util-linux the command."""
    setpriv = shutil.which("setpriv")
    return () if setpriv is None else (setpriv, "--pdeathsig", "TERM", "--")
