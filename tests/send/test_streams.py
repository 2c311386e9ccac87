"""Standard input and followed files: lines that arrive, and kills at any event."""

import json
import math
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer

from exporter.commands.send import send
from exporter.send.events import events
from exporter.send.follow import FollowedFile
from exporter.send.options import Options
from exporter.send.report import Report
from exporter.send.sources import STDIN, is_stream
from tests.commands.running import arguments, environment
from tests.e2e.exporter_process import wait_for

from .conftest import Sender, piped
from .following import Ended, Follower, tick

ROUNDS = int(os.environ.get("FOLLOW_ROUNDS", "40"))
"""Kills of `send` in the endurance test: `make test` has a short version."""


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
            # The first line also waits for the start of the process.
            assert number == 0 or time.monotonic() - written < 1
        process.stdin.close()
        assert json.loads(process.stdout.read())["accepted"] == 3
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("kind", "path", "options", "max_wait"),
    [
        ("pipe", STDIN, {}, math.inf),
        ("socket", STDIN, {}, math.inf),
        ("file", STDIN, {}, 300),
        ("pipe", STDIN, {"max_wait": 5}, 5),
        ("pipe", Path("a.csv"), {}, 300),
        ("pipe", Path("a.csv"), {"follow": True}, math.inf),
    ],
)
def test_what_is_read_from_a_pipe_or_followed_is_retried_without_end(
    kind: str, path: Path, options: Any, max_wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(files: object, options: Options, console: object) -> Report:
        waits.append(options.max_wait)
        return Report()

    waits: list[float] = []
    monkeypatch.setattr("exporter.send.command.send", deliver)
    inlet, outlet = os.pipe() if kind == "pipe" else map(socket.socket.detach, socket.socketpair())
    with open(__file__ if kind == "file" else inlet) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(typer.Exit):
            send([path], **options)
    os.close(outlet)
    assert waits == [max_wait]


def test_named_pipe_is_a_stream(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert is_stream([tmp_path / "a.csv", tmp_path / "pipe"])
    assert not is_stream([tmp_path / "a.csv", Path(__file__)])


def test_lines_that_arrive_together_are_a_batch(sender: Sender) -> None:
    rows = b"".join(b"softdrive,,%d\n" % number for number in range(600))
    with piped(b"system,code,id\n" + rows):
        # Standard input is always followed, so the option changes nothing.
        assert sender(STDIN, follow=True).accepted == 600
    assert len(sender.requests) < 20


def test_followed_file_is_sent_on_after_a_kill(sender: Sender, tmp_path: Path) -> None:
    log = tmp_path / "log" / "ends.ndjson"
    log.parent.mkdir()
    for ends in (1, 2):
        with log.open("a") as file:
            file.write('{"system": "softdrive"}\n')
        command = arguments("send", "--follow", log, "--url", sender.url)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment()) as process:
            wait_for(lambda: len(sender.counted) == ends, what="the line")  # noqa: B023
            process.kill()


def test_every_line_is_counted_once_over_kills_and_rotations(follower: Follower) -> None:
    """For a longer run: FOLLOW_ROUNDS=1000 pytest tests/send/test_streams.py.

    The exporter counts each id once. `send` is killed at any event, before or after its checkpoint, and the
    log is rotated at any event, also while `send` does not run.
    """
    rng = random.Random(1)
    written = rotations = 0
    counted: set[str] = set()

    def write(count: int) -> None:
        """Append events. Every third is equal to others, except the first of a file."""
        nonlocal written
        with follower.path.open("a") as file:
            for _ in range(count):
                written += 1
                alike = written % 3 == 0 and file.tell() > 0
                session = {} if alike else {"session_id": f"s-{written}"}
                file.write(json.dumps({"system": "streampixel", "code": 4001, **session}) + "\n")

    def rotate() -> None:
        nonlocal rotations
        rotations += 1
        follower.rename(f"ends.log.{rotations}")
        tick()
        write(rng.randint(1, 20))

    def follow(kill: float) -> None:
        """Follow until the kill, or until every line is counted."""
        deadline = time.monotonic() + 20

        def idle() -> None:
            assert time.monotonic() < deadline, (len(counted), written)
            if len(counted) == written:
                raise Ended

        source = FollowedFile(follower.path)
        source.on_idle = idle
        for event in events(source, Report(), lambda _: None):
            counted.add(json.loads(event.body)["id"])
            if rng.random() < kill:
                return
            if rng.random() < 0.2:
                assert event.checkpoint
                source.save(event.checkpoint)
            if rng.random() < 0.02:
                rotate()

    write(10)
    for _ in range(ROUNDS):
        write(rng.randint(1, 20))
        if rng.random() < 0.3:
            rotate()
        with suppress(Ended):
            follow(kill=0.1)
        if rng.random() < 0.1:
            # A truncation loses lines that were not read before, so all lines are read first.
            with suppress(Ended):
                follow(kill=0)
            os.truncate(follower.path, 0)
    with suppress(Ended):
        follow(kill=0)
    assert len(counted) == written
