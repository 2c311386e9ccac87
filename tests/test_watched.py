"""A file that is read again when it changes."""

import os
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from prometheus_client import generate_latest

from exporter.errors import ConfigError
from exporter.watched import RELOADED, Watched
from tests.clock import Clock


class Counted:
    """Loads a file's text, unless it is "wrong" or the load `fails`, and counts the loads."""

    count = 0
    fails = False

    def __call__(self, path: Path) -> str:
        self.count += 1
        if self.fails or not os.path.exists(path) or path.read_text() == "wrong":
            raise ConfigError(f"{path}: wrong")
        return path.read_text()


class SameTick(NamedTuple):
    """A stat with the same time and inode each time."""

    st_size: int
    st_ctime_ns: int = 0
    st_ino: int = 0


def write(path: Path, text: str) -> None:
    """Replace the file as an atomic editor does: a new inode, possibly with the same size and time."""
    path.with_suffix(".new").write_text(text)
    os.utime(path.with_suffix(".new"), (0, 0))
    os.replace(path.with_suffix(".new"), path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "file", "first")
    return tmp_path / "file"


def test_watched_file_is_reloaded_within_a_second_of_a_change(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails when each request checks the file: these calls of stat were visible in a profile."""
    caplog.set_level("INFO", "exporter")
    clock, load = Clock(), Counted()
    watched = Watched((path,), load, "file", clock)
    write(path, "later")
    clock.now += 0.99
    assert watched.current() == "first"
    clock.now += 0.01
    assert watched.current() == "later"
    assert caplog.messages == ["file reloaded"]
    write(path, "newer")
    clock.now += 0.99
    assert watched.current() == "later"
    for _ in range(5):
        clock.now += 1
        assert watched.current() == "newer"
    assert load.count == 3


@pytest.mark.parametrize("text", ["wrong", None])
def test_wrong_version_is_logged_once_and_the_previous_one_stays(
    path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    watched = Watched((path,), Counted(), "file", clock)
    if text is None:
        path.unlink()
    else:
        write(path, text)
    for _ in range(3):
        clock.now += 1
        assert watched.current() == "first"
    assert caplog.messages == ["file is wrong, the previous version stays in use"]
    write(path, "later")
    clock.now += 1
    assert watched.current() == "later"


def test_load_that_failed_is_tried_again_without_a_change(path: Path) -> None:
    """Fails when only a change leads to a reload: a lack of descriptors has nothing to do with the file."""
    clock, load = Clock(), Counted()
    watched = Watched((path,), load, "file", clock)
    write(path, "later")
    load.fails = True
    clock.now += 1
    assert watched.current() == "first"
    load.fails = False
    clock.now += 1
    assert watched.current() == "later"


def test_write_in_the_tick_of_a_load_is_a_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the size: the kernel's clock for files may advance by several milliseconds at a time,
    and a file that was half-written when it was loaded was used until its next change."""
    monkeypatch.setattr(Path, "stat", lambda self: SameTick(len(self.read_bytes())))
    clock = Clock()
    watched = Watched((path,), Counted(), "file", clock)
    path.write_text("first and second")
    clock.now += 1
    assert watched.current() == "first and second"


def test_metric_shows_a_wrong_version_that_nobody_uses(path: Path) -> None:
    clock = Clock()
    Watched((path,), Counted(), "file", clock)

    def loaded() -> list[float]:
        clock.now += 1
        (metric,) = RELOADED.collect()
        return [each.value for each in metric.samples if each.labels == {"file": str(path)}]

    assert loaded() == [1]
    write(path, "wrong")
    assert (loaded(), loaded()) == ([0], [0])
    write(path, "later")
    assert loaded() == [1]


def test_slow_read_does_not_replace_a_newer_version(path: Path) -> None:
    """A scrape reads the file in another thread."""
    clock, reading, go = Clock(), threading.Event(), threading.Event()

    def load(file: Path) -> str:
        text = file.read_text()
        if text == "later":
            reading.set()
            assert go.wait(10)
        return text

    watched = Watched((path,), load, "file", clock)
    write(path, "later")
    clock.now += 1
    scrape = threading.Thread(target=watched.current)
    scrape.start()
    assert reading.wait(10)
    write(path, "newest")
    clock.now += 1
    watched.current()
    go.set()
    scrape.join()
    clock.now += 1
    assert watched.current() == "newest"


def test_path_that_is_not_utf_8_is_exported(tmp_path: Path) -> None:
    path = tmp_path / "a\udcff"
    write(path, "first")
    Watched((path,), Counted(), "file", Clock())
    assert f'file="{tmp_path}/a\ufffd"' in generate_latest(RELOADED).decode()


def test_wrong_first_version_is_an_error(path: Path) -> None:
    write(path, "wrong")
    with pytest.raises(ConfigError, match="wrong"):
        Watched((path,), Counted(), "file", Clock())
