"""A file that is read again when it changes."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.errors import ConfigError
from exporter.watched import Watched


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def load(path: Path) -> str:
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if text == "wrong":
        raise ConfigError(f"{path}: wrong")
    return text


def write(path: Path, text: str) -> None:
    """As an atomic editor does it: another inode, so that the same size and second are no matter."""
    made = path.with_suffix(".new")
    made.write_text(text)
    os.replace(made, path)


def test_a_change_is_seen_within_a_second(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "file"
    write(path, "one")
    watched = Watched(path, load, "file", clock)
    write(path, "two")
    assert watched.now() == "one"
    clock.now += 1
    with capture_logs() as logs:
        assert watched.now() == "two"
    assert [line["event"] for line in logs] == ["file read again"]


@pytest.mark.parametrize("slip", ["wrong", None])
def test_a_slip_is_logged_once_and_what_was_before_stays(tmp_path: Path, slip: str | None) -> None:
    clock, path = Clock(), tmp_path / "file"
    write(path, "one")
    watched = Watched(path, load, "file", clock)
    if slip is None:
        path.unlink()
    else:
        write(path, slip)
    with capture_logs() as logs:
        for _ in range(3):
            clock.now += 1
            assert watched.now() == "one"
    assert [line["event"] for line in logs] == ["file is wrong, the one before it stays"]
    write(path, "two")
    clock.now += 1
    assert watched.now() == "two"


def test_a_first_version_that_is_wrong_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "file", "wrong")
    with pytest.raises(ConfigError, match="wrong"):
        Watched(tmp_path / "file", load, "file", Clock())


def test_a_file_that_does_not_change_is_not_read_again(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "file"
    write(path, "one")
    reads: list[Path] = []
    watched = Watched(path, lambda one: reads.append(one) or load(one), "file", clock)  # type: ignore[func-returns-value]
    for _ in range(5):
        clock.now += 1
        watched.now()
    assert reads == [path]


def test_a_file_is_looked_at_once_a_second_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path = Clock(), tmp_path / "file"
    write(path, "one")
    watched = Watched(path, load, "file", clock)
    looks: list[Path] = []
    monkeypatch.setattr(watched, "_stat", lambda: looks.append(path))
    for _ in range(100):
        watched.now()
    assert not looks
    clock.now += 1
    for _ in range(100):
        watched.now()
    assert len(looks) == 1


def test_a_change_of_its_mode_is_a_change(tmp_path: Path) -> None:
    """Fails without the mode: secrets that were opened to others since are warned of."""
    clock, path = Clock(), tmp_path / "file"
    write(path, "one")
    path.chmod(0o600)
    reads: list[int] = []
    watched = Watched(path, lambda one: reads.append(one.stat().st_mode & 0o777), "file", clock)
    path.chmod(0o644)
    clock.now += 1
    watched.now()
    assert reads == [0o600, 0o644]
