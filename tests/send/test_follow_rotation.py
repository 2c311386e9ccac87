"""Rotations and truncations of a followed file while `send` does not run, and while it waits."""

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.send import follow

from .conftest import Sender
from .following import Follower, lines, nothing, tick


@pytest.mark.parametrize("copied", [True, False])
def test_truncation_while_events_wait_is_found(copied: bool, follower: Follower) -> None:
    """At the exporter's answer the new content is longer than the old, and its lines are equally long."""
    old, unread, new = range(100, 140), range(140, 180 if copied else 140), range(200, 290)
    follower.path.write_text(lines(*old))

    def truncate() -> None:
        if len(follower.places) == 11:
            follower.write(lines(*unread))[0]()
            if copied:
                follower.copy_and_truncate()
            follower.path.write_text(lines(*new))

    follower.on_event = truncate
    expected = [str(code) for code in (*old, *unread, *new)]
    assert follower.run((nothing, expected)) == expected
    assert len(follower.counted) == len(expected)
    assert len(follower.notes) == (0 if copied else 1)


def test_late_line_of_a_log_that_was_idle_before_its_rotation_is_sent(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of the writer may still have the old file open."""
    monkeypatch.setattr(follow, "QUIET", 0.2)
    follower.path.write_text(lines(1))

    def rotate() -> None:
        time.sleep(0.3)
        follower.rename()
        follower.path.write_text(lines(3))

    late = follower.write(lines(2), 1, 2, 3, to="ends.log.1")
    assert follower.run((nothing, ["1"]), (rotate, ["1"]), late) == ["1", "2", "3"]


def test_rotated_log_is_read_until_its_writer_begins_the_next_file(follower: Follower) -> None:
    """The next file is created empty, and the writer opens it later than `QUIET` seconds. A newer folder
    is no rotated file."""
    follower.path.write_text(lines(1))

    def rotate() -> None:
        follower.rename()
        follower.path.touch()
        follower.path.with_name("ends.log.2026").mkdir()

    sent = follower.run(
        (rotate, ["1"]),
        (lambda: time.sleep(0.1), ["1"]),
        follower.write(lines(2), 1, 2, to="ends.log.1"),
        follower.write(lines(3), 1, 2, 3),
    )
    assert sent == ["1", "2", "3"]


def test_truncation_to_the_same_last_lines_is_found(follower: Follower) -> None:
    """The last 256 bytes before the position are equal; the beginning of the file is not."""
    equal = [2] * 10
    follower.path.touch()

    def truncate() -> None:
        follower.copy_and_truncate()
        follower.path.write_text(lines(3, *equal))

    old, new = (list(map(str, (first, *equal))) for first in (1, 3))
    sent = follower.run(follower.write(lines(1, *equal), *map(int, old)), (truncate, old + new))
    assert sent == old + new


def test_line_that_is_written_during_the_last_look_is_sent(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is written between a read at the end of the old file and the decision that it is finished.

    It is sent before the next file is begun: after a kill, the old file would not be read again.
    """
    finished = follow.FollowedFile._finished

    def look(self: follow.FollowedFile, *args: object) -> bool:
        result = finished(self, *args)  # type: ignore[arg-type]
        if result and "2" not in late:
            late.append("2")
            follower.write(lines(2), to="ends.log.1")[0]()
        return result

    late: list[str] = []
    flushed: list[int] = []
    follower.on_event = lambda: flushed.append(follower.flushed)
    monkeypatch.setattr(follow.FollowedFile, "_finished", look)
    follower.path.write_text(lines(1))

    def rotate() -> None:
        follower.rename()
        follower.path.write_text(lines(3))

    assert follower.run((nothing, ["1"]), (rotate, ["1", "2", "3"])) == ["1", "2", "3"]
    assert flushed == [0, 1, 2]


@pytest.mark.parametrize("after", ["", lines(3), lines(3, 3, 3)])
def test_copy_of_lines_without_an_answer_is_found(after: str, follower: Follower) -> None:
    """The exporter was down, `send` was stopped, and the file was copied and truncated."""
    follower.path.write_text(lines(1, 2))
    follower.stop_before_an_answer()
    follower.copy_and_truncate()
    follower.path.write_text(after)
    new = ["3"] * after.count("3")
    more = follower.write(lines(4), 1, 2, *map(int, new), 4)
    assert follower.run(more) == ["1", "2", *new, "4"]
    assert follower.notes == []


def test_copy_of_lines_that_came_after_a_stop_is_found(follower: Follower) -> None:
    """The file was empty when `send` was stopped."""
    follower.path.touch()
    follower.run((nothing, []))
    tick()
    follower.path.write_text(lines(1))
    follower.copy_and_truncate()
    follower.path.write_text(lines(2))
    assert follower.run((nothing, ["1", "2"])) == ["1", "2"]
    assert follower.notes == []


def test_files_after_one_that_was_compressed_are_sent(follower: Follower) -> None:
    """With `delaycompress`, two rotations compress the file of the checkpoint."""
    follower.path.write_text(lines(1, 2))
    follower.run((nothing, ["1", "2"]))
    for name, code in (("ends.log.3.gz", 3), ("ends.log.2", 4), ("ends.log.1", 5)):
        tick()
        follower.rename(name)
        follower.path.write_text(lines(code))
    assert follower.run((nothing, ["3", "4", "5"])) == ["3", "4", "5"]
    [note] = follower.notes
    assert note.endswith("was truncated or replaced: lines after line 2 may be lost")


def test_rotated_files_are_sent_although_the_log_is_empty(follower: Follower) -> None:
    """Fails when only the log's own size shows that its writer has begun the next file."""
    follower.path.write_text(lines(1))
    follower.run((nothing, ["1"]))
    for text, name in (("", "ends.log.3"), ("", "ends.log.2"), (lines(2, 3), "ends.log.1")):
        tick()
        follower.write(text)[0]()
        follower.rename(name)
    follower.path.touch()
    assert follower.run((nothing, ["2", "3"])) == ["2", "3"]


def test_rotated_files_of_the_same_time_are_read_once(follower: Follower) -> None:
    """Files in a copied folder may have the same time; they are ordered by inode number."""
    files = [follower.path.with_name(name) for name in ("a", "b")]
    for file in files:
        file.touch()
    first, second = sorted(files, key=lambda file: file.stat().st_ino)
    first.rename(follower.path).write_text(lines(1))
    second.write_text(lines(2))
    follower.run((nothing, ["1"]))
    follower.rename("ends.log.2")
    second.rename(follower.path.with_name("ends.log.1"))
    for number in (1, 2):
        os.utime(follower.path.with_name(f"ends.log.{number}"), (9, 9))
    follower.path.write_text(lines(3))
    assert follower.run((nothing, ["2", "3"])) == ["2", "3"]


def test_loss_is_printed_despite_quiet(follower: Follower, sender: Sender) -> None:
    follower.path.write_text(lines(1, 2))
    follower.run((nothing, ["1", "2"]))
    follower.path.write_text(lines(3))
    nobody = "http://127.0.0.1:1"
    report = sender(follower.path, follow=True, quiet=True, url=nobody, max_wait=0, batch=1)
    assert report.exit_code == 2
    assert "lines after line 2 may be lost" in sender.output


def test_copy_that_lacks_the_last_lines_is_not_sent_again(follower: Follower) -> None:
    """The last lines were written between the copy and the truncation."""
    follower.path.write_text(lines(*range(100)))
    follower.run((nothing, list(map(str, range(100)))))
    tick()
    follower.path.with_name("ends.log.1").write_text(lines(*range(99)))
    follower.path.write_text(lines(3))
    assert follower.run((nothing, ["3"])) == ["3"]


def test_rename_while_the_folder_is_listed_hides_no_file(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.path.write_text(lines(1))
    follower.run((nothing, ["1"]))
    follower.write(lines(2))[0]()
    listed = Path.iterdir

    def rotate_after_listing(folder: Path) -> Iterator[Path]:
        paths = list(listed(folder))
        if not (folder / "ends.log.1").exists():
            follower.rename()
            follower.path.write_text(lines(3))
        return iter(paths)

    monkeypatch.setattr(Path, "iterdir", rotate_after_listing)
    assert follower.run((nothing, ["2", "3"])) == ["2", "3"]
    assert follower.notes == []


def test_rotated_file_is_read_to_its_end_in_several_reads(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "BLOCK", len(lines(1)) + 1)
    monkeypatch.setattr(follow, "QUIET", -1)
    follower.path.write_text(lines(1))
    follower.run((nothing, ["1"]))
    follower.write(lines(2, 3, 4, 5))[0]()
    follower.rename()
    follower.path.write_text(lines(6))
    assert follower.run((nothing, ["2", "3", "4", "5", "6"])) == ["2", "3", "4", "5", "6"]


def test_more_rotated_files_than_a_process_may_open_are_read(follower: Follower) -> None:
    follower.path.write_text(lines(1))
    assert follower.run((nothing, ["1"])) == ["1"]
    follower.rename("ends.log.2000")
    for number in range(200):
        follower.path.with_name(f"ends.log.{number}").touch()
        os.utime(follower.path.with_name(f"ends.log.{number}"), (0, 0))
    tick()
    follower.path.write_text(lines(2))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 100, limit[1]))
    try:
        assert follower.run((nothing, ["2"])) == ["2"]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
