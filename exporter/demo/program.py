"""A child process."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import httpx


def until(condition: Callable[[], object], seconds: float, goal: str) -> None:
    """Waits until `condition` is true. Raises `TimeoutError` with `goal` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{goal}: not within {seconds:g} seconds")
        time.sleep(0.1)


class Program:
    """Runs `command` while the `with` block lasts, which begins when `ready` (a URL) answers 200.

    Output goes to `log`. Raises `ChildProcessError` when the command exits early, `TimeoutError` when it is
    not ready within a minute.
    """

    def __init__(self, command: Sequence[str], log: Path, ready: str) -> None:
        self._name = Path(command[0]).name
        self._command = command
        self._log = log
        self._ready = ready

    def __enter__(self) -> Self:
        # The kernel stops the program when the demo is killed: Prometheus would keep its port.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*prefix, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches every process of the terminal's foreground group.
                start_new_session=True,
            )
        try:
            until(self._is_ready, 60, f"a ready {self._name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raises `ChildProcessError`, with the last lines of the log, when the program has exited."""
        if (code := self._process.poll()) is not None:
            last = self._log.read_text(errors="replace").splitlines()[-5:]
            raise ChildProcessError("\n".join([f"{self._name} exited with {code}:", *last]))

    def _is_ready(self) -> bool:
        self.check()
        try:
            return httpx.get(self._ready, trust_env=False).is_success
        except httpx.HTTPError:
            return False
