"""Follows a log as `send --follow` does, in steps between which a test can rotate the log."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exporter.send.events import events
from exporter.send.follow import FollowedFile
from exporter.send.report import Report


class Ended(Exception):
    """All steps are done."""


def lines(*codes: int) -> str:
    """Events that differ only in their code."""
    return "".join(f'{{"system": "softdrive", "code": {code}}}\n' for code in codes)


class Follower:
    """Follows `path` as `send` does. `counted` has the code of each id, as the exporter has.

    `on_event` is called after each event, as a stand-in for an exporter that answers late.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path.with_name(f"{path.name}.checkpoint")
        self.counted: dict[str, str] = {}
        self.notes: list[str] = []
        self.places: list[str] = []
        self.on_event: Callable[[], None] = lambda: None
        self.flushed = 0  # events before the last call of `on_idle`

    def write(self, text: str, *codes: int, to: str = "") -> tuple[Callable[[], object], Any]:
        """A step that appends to the file, and the codes that the run must have sent afterwards."""

        def append() -> None:
            with (self.path.with_name(to) if to else self.path).open("a") as file:
                file.write(text)

        return append, list(map(str, codes))

    def rename(self, to: str = "ends.log.1") -> None:
        self.path.rename(self.path.with_name(to))

    def copy_and_truncate(self) -> None:
        shutil.copy2(self.path, self.path.with_name(f"{self.path.name}.1"))
        os.truncate(self.path, 0)

    def stop_before_an_answer(self) -> None:
        """Reads the next event like a process that is killed before the exporter's answer."""
        next(events(FollowedFile(self.path), Report(), self.notes.append))

    def run(self, *steps: tuple[Callable[[], object], list[str]], **options: Any) -> list[str]:
        """Follow like a process that is killed after the last step. Returns the codes that it sent.

        Each step is taken when all codes of the previous step are sent.
        """
        source = FollowedFile(self.path, on_loss=self.notes.append, **options)
        sent: list[str] = []
        todo = list(steps)
        expected: list[str] | None = None
        deadline = time.monotonic() + 20

        def idle() -> None:
            nonlocal expected
            self.flushed = len(sent)
            assert time.monotonic() < deadline, f"{sent} instead of {expected}, then {todo}"
            if expected is not None and sent != expected:
                return
            if not todo:
                raise Ended
            action, expected = todo.pop(0)
            action()

        source.on_idle = idle
        report = Report(print_line=self.notes.append)
        try:
            for event in events(source, report, self.notes.append):
                body = json.loads(event.body)
                self.counted.setdefault(body["id"], body.get("code", ""))
                self.places.append(event.place.rpartition("/")[2])
                sent.append(body.get("code", ""))
                assert event.checkpoint
                source.save(event.checkpoint)
                self.on_event()
        except Ended:
            return sent
        raise AssertionError(f"ended by itself: {self.notes}")


def nothing() -> None:
    pass


def tick() -> None:
    """Wait: the file system's clock advances only every few milliseconds."""
    time.sleep(0.02)
