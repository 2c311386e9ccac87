"""A way to call `send` as the command does, with a fake exporter and a clock."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from rich.console import Console

from exporter.send import follow
from exporter.send.command import send
from exporter.send.delivery import Clock
from exporter.send.events import Event, events
from exporter.send.options import Format, Options
from exporter.send.report import Report
from exporter.send.sources import Source

from .fake_exporter import FakeExporter
from .following import Follower


class StillClock(Clock):
    """A clock that only `sleep` advances; `uniform` returns the upper bound, so that waits are known."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None
        super().__init__(lambda: self.now, lambda: 1.8e9, self._sleep, lambda low, high: high)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.on_sleep()


class Sender:
    """Calls `send` for files in `folder`; `output` is the text printed by the last call."""

    def __init__(self, folder: Path, server: FakeExporter) -> None:
        self.folder, self.server = folder, server
        self.url = server.url
        self.faults, self.requests, self.counted = server.faults, server.requests, server.counted
        self.path = folder / "a.ndjson"
        self.clock = StillClock()
        self.output = ""

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def __call__(self, *files: Path, terminal: bool = False, **options: Any) -> Report:
        text = io.StringIO()
        console = Console(file=text, width=100, force_terminal=terminal, color_system=None)
        try:
            return send(files, Options(**{"url": self.url, **options}), console, clock=self.clock)
        finally:
            self.output = text.getvalue()

    def lines(self, content: str, **options: Any) -> Report:
        """Writes the NDJSON lines to `path`, and sends the file."""
        return self(self.file(self.path.name, content), **options)


class Result(NamedTuple):
    """The events of a file, and the printed lines about skipped records without the path."""

    events: list[Event]
    skipped: list[str]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(event.body) for event in self.events]

    @property
    def lines(self) -> list[int]:
        """The line or number of each event."""
        return [int(event.place.rpartition(":")[2]) for event in self.events]


class Read:
    """Reads a content as `send` reads a file with this content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        content: str | bytes,
        name: str = "a.ndjson",
        format: Format | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Result:
        path = self._folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        printed: list[str] = []
        report = Report(print_line=printed.append)
        sent = list(events(Source(path, format, columns), report, lambda _: None))
        assert all(event.place.startswith(f"{path}:") for event in sent)
        skipped = [line.removeprefix(f"{path}:").replace(" skipped:", "") for line in printed]
        return Result(sent, skipped)


@contextmanager
def piped(content: bytes) -> Iterator[None]:
    """Standard input is a pipe with this content."""
    inlet, outlet = os.pipe()
    os.write(outlet, content)
    os.close(outlet)
    with open(inlet) as pipe, mock.patch.object(sys, "stdin", pipe):
        yield


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with FakeExporter() as server:
        yield Sender(tmp_path, server)


@pytest.fixture
def follower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follower:
    monkeypatch.setattr(follow, "POLL", 0.001)
    monkeypatch.setattr(follow, "QUIET", 0.02)
    return Follower(tmp_path / "ends.log")
