"""The programs of the demo, and the server that receives their notifications."""

import json
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer
from typing import Any, Final, Self

import httpx

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end the demo."""


@contextmanager
def _stop_signals_recorded() -> Iterator[list[int]]:
    """Signals that end the demo do not interrupt the block; the list contains their numbers.

    Only the main thread can handle signals. In another thread no signal interrupts the block.
    """
    numbers: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield numbers
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, lambda number, _: numbers.append(number))
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def until(condition: Callable[[], object], seconds: float, goal: str) -> None:
    """Waits until `condition` is true. Raises `TimeoutError` with `goal` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{goal}: not within {seconds:g} seconds")
        time.sleep(0.1)


class Program:
    """Runs `command` during the `with` block, which begins when the URL `ready` answers 200.

    Output goes to `log`. Raises `ChildProcessError` when the command exits early, `TimeoutError` when it is
    not ready within a minute.
    """

    def __init__(self, command: Sequence[str], log: Path, ready: str) -> None:
        self._name = Path(command[0]).name
        self._command = command
        self._log = log
        self._ready = ready

    def __enter__(self) -> Self:
        # The kernel stops the program when the demo is killed. Otherwise Prometheus would keep its port.
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        # An interrupt between the start and the assignment would leave the program running.
        with self._log.open("wb") as log, _stop_signals_recorded() as received:
            self._process = subprocess.Popen(  # noqa: S603
                [*prefix, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches every process of the terminal's foreground group.
                start_new_session=True,
            )
        try:
            if received:
                raise KeyboardInterrupt
            # One client for all attempts, because its creation takes 26 ms of processor time.
            with httpx.Client(trust_env=False) as client:
                until(lambda: self._is_ready(client), 60, f"a ready {self._name}")
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

    def _is_ready(self, client: httpx.Client) -> bool:
        self.check()
        try:
            return client.get(self._ready).is_success
        except httpx.HTTPError:
            return False


class BackgroundServer:
    """Runs `server` while the `with` block lasts."""

    def __init__(self, server: BaseServer) -> None:
        self._server = server
        # The default of 0.5 s between checks for shutdown would delay the end of each `with` block.
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Receiver(BackgroundServer):
    """Listens at `url`; `notifications` has the path and the body of each request."""

    def __init__(self) -> None:
        self.notifications = notifications = queue.Queue[tuple[str, Any]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                notifications.put((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()
                # The answer of Slack: Alertmanager 0.28 treats any other text as an error.
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                """Requests are not logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://127.0.0.1:{server.server_port}"
