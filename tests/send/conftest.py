"""A fake exporter, a clock that only sleeping moves, and a way to call `send` as the command does."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from exporter.send import Options, Report, send
from exporter.send.delivery import Clock

from .fake_exporter import FakeExporter, fake_exporter


class StillClock(Clock):
    """Stands still but for `sleep`; `uniform` gives the upper bound, so that waits are known."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.drawn: list[tuple[float, float]] = []
        self.on_sleep: Callable[[], object] = lambda: None
        super().__init__(lambda: self.now, lambda: 1_800_000_000.0, self._sleep, self._uniform)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.on_sleep()

    def _uniform(self, low: float, high: float) -> float:
        self.drawn.append((low, high))
        return high


class Sender:
    """Calls `send` with a file of the given text; `said` is what people were told."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.clock = StillClock()
        self.said = ""

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def __call__(self, *files: Path, **options: Any) -> Report:
        text = io.StringIO()
        console = Console(file=text, width=80)
        try:
            return send(files, Options(**{"url": self.url, **options}), console, clock=self.clock)
        finally:
            self.said = text.getvalue()


@pytest.fixture
def server() -> Iterator[FakeExporter]:
    with fake_exporter() as server:
        yield server


@pytest.fixture
def sender(server: FakeExporter, tmp_path: Path) -> Sender:
    return Sender(tmp_path, server.url)
