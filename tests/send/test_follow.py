"""A followed file: growth, rotation, truncation, and the checkpoint that a restart continues at."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from exporter.send import follow
from exporter.send.connection import Undelivered
from exporter.send.events import events
from exporter.send.follow import FollowedFile
from exporter.send.report import Report

from .conftest import Sender
from .following import Follower, lines, nothing


def test_lines_are_sent_when_they_are_complete(follower: Follower) -> None:
    # A byte order mark, and a byte that is not UTF-8.
    follower.path.write_bytes(b"\xef\xbb\xbf\xff\n " + lines(1, 1).encode())
    sent = follower.run(
        follower.write('{"system": "softdrive", ', 1, 1),
        follower.write('"code": 2}\n\nno json\n' + lines(3), 1, 1, 2, 3),
    )
    assert sent == ["1", "1", "2", "3"]
    assert len(follower.counted) == 4
    assert follower.places == [f"ends.log:{n}" for n in (2, 3, 4, 7)]
    assert follower.notes[-1].endswith(
        "ends.log:6: skipped: not JSON: Expecting value at character 1"
    )


def test_restart_continues_at_the_checkpoint(follower: Follower) -> None:
    follower.path.write_text(lines(1, 2) + "no json\n")
    assert follower.run((nothing, ["1", "2"])) == ["1", "2"]
    follower.notes.clear()
    assert follower.run(follower.write(lines(3), 3)) == ["3"]
    assert follower.places[-1] == "ends.log:4"
    assert follower.notes == []


def test_equal_lines_of_another_machine_have_other_ids(follower: Follower) -> None:
    """Machines made from one image have equal paths, inode numbers and lines, but another random part of
    ids."""
    follower.path.write_text(lines(1, 2))
    follower.run((nothing, ["1", "2"]))
    follower.checkpoint.unlink()
    follower.run((nothing, ["1", "2"]))
    assert len(follower.counted) == 4


def test_last_line_of_a_rotated_file_needs_no_end(follower: Follower) -> None:
    follower.path.write_text(lines(1) + '{"system": "softdrive", "code": 2}')
    sent = follower.run((follower.rename, ["1"]), follower.write(lines(3), 1, 2, 3))
    assert sent == ["1", "2", "3"]


def test_rotations_while_nobody_follows_are_found(follower: Follower) -> None:
    follower.path.write_text(lines(1))
    follower.path.with_name("ends.log.7").mkdir()
    follower.run((nothing, ["1"]))
    follower.write(lines(2))[0]()
    for number, name in enumerate(("ends.log.3", "ends.log-20261128", "ends.log.1.gz")):
        follower.rename(name)
        os.utime(follower.path.with_name(name), (number + 1, number + 1))
        follower.path.write_text(lines(3 + number))
    sent = follower.run((nothing, ["2", "3", "5"]))
    assert sent == ["2", "3", "5"]  # not 4, which is compressed
    assert follower.notes == []


def test_file_is_known_before_its_first_answer(follower: Follower) -> None:
    """Fails when the checkpoint still names the old file: the third file then has the ids of the second."""
    follower.path.write_text(lines(1))
    follower.run((nothing, ["1"]))
    follower.rename("gone")
    follower.path.write_text(lines(2))
    source = FollowedFile(follower.path, on_loss=follower.notes.append)
    second = next(events(source, Report(), follower.notes.append))
    follower.counted[json.loads(second.body)["id"]] = "2"
    follower.rename("gone too")
    follower.path.write_text(lines(2))
    assert follower.run((nothing, ["2"])) == ["2"]
    assert len(follower.counted) == 3
    assert len(follower.notes) == 2


def test_first_line_of_an_empty_file_keeps_its_id(follower: Follower) -> None:
    """The process was killed after the exporter counted the line, and before its answer."""

    def write() -> None:
        follower.path.write_text(lines(1))

    follower.path.touch()
    source = FollowedFile(follower.path)
    source.on_idle = write
    event = next(events(source, Report(), follower.notes.append))
    follower.counted[json.loads(event.body)["id"]] = "1"
    assert follower.run((nothing, ["1"])) == ["1"]
    assert len(follower.counted) == 1


def test_two_followers_of_an_empty_file_give_a_line_the_same_id(follower: Follower) -> None:
    """Fails when each of them begins the file anew: the exporter then counts each line twice."""
    follower.path.touch()
    first, others = FollowedFile(follower.path), []

    def idle() -> None:
        others.append(FollowedFile(follower.path))
        follower.path.write_text(lines(1))

    first.on_idle = idle
    bodies = {next(events(first, Report(), print)).body}
    bodies |= {next(events(source, Report(), print)).body for source in others}
    assert len(others) == len(bodies) == 1


def test_line_without_an_answer_is_sent_again_although_the_file_grew(follower: Follower) -> None:
    follower.path.write_text(lines(1))
    made = events(FollowedFile(follower.path), Report(), follower.notes.append)
    next(made)
    follower.write(lines(2))[0]()
    next(made)
    assert follower.run((nothing, ["1", "2"])) == ["1", "2"]


def test_line_that_is_too_long_is_skipped(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "BLOCK", 100)
    follower.path.write_text("{" * 150 + "\n" + lines(1))
    assert follower.run((nothing, ["1"])) == ["1"]


def test_hole_after_a_truncation_is_skipped(follower: Follower) -> None:
    follower.path.write_text(lines(1))
    with follower.path.open("r+b") as writer:
        writer.seek(0, os.SEEK_END)

        def truncate() -> None:
            os.truncate(follower.path, 0)
            writer.write(lines(2).encode())
            writer.flush()

        assert follower.run((nothing, ["1"]), (truncate, ["1", "2"])) == ["1", "2"]


def test_events_with_ids_or_times_have_the_same_ids_as_in_send(
    follower: Follower, sender: Sender
) -> None:
    """If the file is sent later with `send FILE`, no event counts twice."""
    event = {"system": "softdrive", "session_id": "s", "occurred_at": "2026-11-20T19:00:00Z"}
    text = f"{json.dumps(event)}\n{json.dumps(event | {'id': 'mine'})}\n"
    follower.path.write_text(text)
    follower.run((nothing, ["", ""]))
    sender.lines(text)
    assert list(sender.counted) == list(follower.counted)


def test_wrong_use_is_refused(follower: Follower, sender: Sender) -> None:
    def error(*files: Path, **options: Any) -> str:
        report = sender(*files, follow=True, **options)
        assert (report.exit_code, sender.requests) == (2, [])
        return report.error

    path = follower.path
    assert error(path) == f"--follow: {path}: No such file or directory"
    path.write_text(lines(1))
    single = "--follow: takes a single file of NDJSON"
    assert error(path, path) == error(path, format="csv") == single
    assert error(path.with_suffix(".csv")) == single
    follower.checkpoint.write_text("{")
    assert "ends.log.checkpoint: is not a checkpoint; without it, the file is sent" in error(path)
    follower.checkpoint.unlink()
    follower.checkpoint.mkdir()
    assert "ends.log.checkpoint: Is a directory" in error(path)


@pytest.mark.parametrize("name", ["ends.log", "ends.log.checkpoint"])
def test_file_that_cannot_be_used_any_more_ends_the_command(name: str, follower: Follower) -> None:
    follower.path.write_text(lines(1))
    source = FollowedFile(follower.path)
    path = follower.path.with_name(name)
    path.unlink()
    path.mkdir()
    source.save(source.checkpoint)  # it has not changed, so it is not written
    with pytest.raises(Undelivered, match=f"/{name}: Is a directory"):
        list(events(source, Report(), follower.notes.append))
