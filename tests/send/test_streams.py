"""Standard input and followed files as processes: lines that arrive, and the kills of both sides."""

import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import typer

from exporter.commands.send import send
from exporter.send.options import Options
from exporter.send.report import Report
from exporter.send.sources import STDIN
from tests.commands.running import arguments, environment
from tests.e2e.exporter_process import ExporterProcess, wait_for
from tests.e2e.prometheus_process import free_port
from tests.faulty_server import answers

from .conftest import Sender

ROUNDS = int(os.environ.get("FOLLOW_ROUNDS", "4"))
"""Kills of the exporter in the endurance test: `make test` has a short version."""


def test_each_line_of_a_pipe_is_sent_within_a_second(sender: Sender) -> None:
    command = arguments("send", "-", "--url", sender.url, "--json")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in range(3):
            process.stdin.write(b'{"system": "softdrive", "session_id": "s-%d"}\n' % number)
            process.stdin.flush()
            written = time.monotonic()
            wait_for(lambda: len(sender.counted) > number, what="the line of a pipe")  # noqa: B023
            # The first line waits for the start of the process.
            assert number == 0 or time.monotonic() - written < 1
        process.stdin.close()
        assert json.loads(process.stdout.read())["accepted"] == 3
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("kind", "given", "max_wait"),
    [("pipe", None, math.inf), ("socket", None, math.inf), ("file", None, 300), ("pipe", 5, 5)],
)
def test_what_was_read_from_a_pipe_is_retried_without_end(
    kind: str, given: float | None, max_wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(files: object, options: Options, console: object) -> Report:
        waits.append(options.max_wait)
        return Report()

    waits: list[float] = []
    monkeypatch.setattr("exporter.send.command.send", deliver)
    with ExitStack() as stack:
        ends: list[Any] = [stack.enter_context(open(__file__))]
        if kind == "pipe":
            ends = [
                stack.enter_context(open(end, mode))
                for end, mode in zip(os.pipe(), "rw", strict=True)
            ]
        elif kind == "socket":
            ends = [stack.enter_context(end) for end in socket.socketpair()]
        monkeypatch.setattr(sys, "stdin", ends[0])
        with pytest.raises(typer.Exit):
            send([STDIN], max_wait=given)
        with pytest.raises(typer.Exit):
            send([Path("a.csv")])
    assert waits == [max_wait, 300]


def test_a_pipe_is_not_advised_to_be_read_again(sender: Sender) -> None:
    sender.faults += [answers(503)] * 100
    command = arguments("send", "-", "--url", sender.url, "--max-wait", 0)
    row = b'{"system": "softdrive", "session_id": "a"}\n'
    done = subprocess.run(
        command, input=row, env=environment(), stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 2
    assert b"A pipe cannot be read again: send the other events from where they" in done.stdout
    assert b"Run the same command again" not in done.stdout


def test_lines_that_arrive_together_are_a_batch(sender: Sender) -> None:
    rows = b"".join(b"softdrive,,%d\n" % number for number in range(600))
    command = arguments("send", "-", "--url", sender.url)
    subprocess.run(command, input=b"system,code,id\n" + rows, env=environment(), check=True)
    assert len(sender.counted) == 600
    assert len(sender.requests) < 20


class Log:
    """A log file whose writer appends events and rotates or truncates it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.rotations = 0

    def write(self, count: int) -> None:
        """Every third event is like others of its kind: only its place tells them apart."""
        with self.path.open("a") as file:
            for _ in range(count):
                self.written += 1
                session = {} if self.written % 3 == 0 else {"session_id": f"s-{self.written}"}
                event = {"system": "streampixel", "code": 4001, **session}
                file.write(json.dumps(event) + "\n")
                if self.written % 50 == 0:
                    file.flush()

    def rotate(self) -> None:
        self.rotations += 1
        self.path.rename(self.path.with_name(f"{self.path.name}.{self.rotations}"))
        self.path.touch()


class Processes:
    """A real exporter and a real `send --follow`, both of which can be killed at any time."""

    def __init__(self, folder: Path, log: Path) -> None:
        port = free_port()
        self.exporter = ExporterProcess(folder / "data", "--ingest", f"127.0.0.1:{port}")
        self._command = arguments("send", "--follow", log, "--url", f"http://127.0.0.1:{port}")
        self._output = folder / "send.log"
        self._sender: subprocess.Popen[bytes] | None = None

    def start_sender(self) -> None:
        with self._output.open("ab") as output:
            self._sender = subprocess.Popen(
                self._command, stdout=output, stderr=output, env=environment()
            )

    def kill_sender(self) -> None:
        if self._sender:
            assert self._sender.poll() is None, self._output.read_text()
            self._sender.send_signal(signal.SIGKILL)
            self._sender.wait()
            self._sender = None

    def counted(self) -> float:
        return self.exporter.total("session_ends_total", system="streampixel")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    (tmp_path / "log").mkdir()
    log = Log(tmp_path / "log" / "ends.ndjson")
    log.write(10)
    return log


@pytest.fixture
def processes(tmp_path: Path, log: Log) -> Iterator[Processes]:
    processes = Processes(tmp_path, log.path)
    with processes.exporter:
        processes.start_sender()
        # A sender that is killed before its first checkpoint begins with the file after a rotation.
        wait_for(log.path.with_name(f"{log.path.name}.checkpoint").exists, what="a checkpoint")
        try:
            yield processes
        finally:
            if processes._sender:
                processes._sender.kill()
                processes._sender.wait()


def test_every_line_is_counted_once_whatever_is_killed(log: Log, processes: Processes) -> None:
    """Longer: FOLLOW_ROUNDS=1000 pytest tests/send/test_streams.py."""
    rng = random.Random(1)

    def wait_until_all_are_counted() -> None:
        # A retry may wait for 30 s.
        what = f"{log.written} events"
        wait_for(lambda: processes.counted() >= log.written, 240, what)

    for number in range(ROUNDS):
        log.write(rng.randrange(2000))
        if number % 3 == 1:
            log.rotate()
            log.write(rng.randrange(500))
        if number % 3 == 2:
            # Lines between the last read and a truncation are lost to every reader.
            wait_until_all_are_counted()
            os.truncate(log.path, 0)
            log.write(rng.randrange(500))
        time.sleep(rng.uniform(0, 0.2))
        if number % 2:
            processes.kill_sender()
            log.write(100)
            processes.exporter.kill()
            processes.start_sender()
        else:
            processes.exporter.kill()
            log.write(100)
        processes.exporter.start()
    wait_until_all_are_counted()
    assert processes.counted() == log.written
    processes.kill_sender()
