"""Checksums, the marker, and moving a damaged ledger aside."""

import os
from pathlib import Path

import apsw
import pytest

from exporter.ledger.damage import checksum, move_aside, says_damage
from exporter.ledger.marker import CommitMarker


def test_a_checksum_fits_sqlite_s_signed_integers_and_tells_types_apart() -> None:
    sums = {checksum(n, "x") for n in range(2000)}
    assert len(sums) == 2000
    assert -(1 << 63) <= min(sums) < 0 < max(sums) < 1 << 63
    assert checksum("1") != checksum(1) != checksum(1.0)
    assert checksum("ab", "c") != checksum("a", "bc")


def test_a_marker_names_the_last_commit_written(tmp_path: Path) -> None:
    marker = CommitMarker(tmp_path / "w")
    assert marker.read() == 0
    for commit in (1, 2, 1 << 62):
        marker.write(commit)
        assert marker.read() == commit
    marker.close()
    again = CommitMarker(tmp_path / "w")
    assert again.read() == 1 << 62
    again.close()


@pytest.mark.parametrize("content", [b"", b"\x05", bytes(16), bytes(range(16)), b"\xff" * 40])
def test_a_marker_that_can_t_be_read_testifies_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    marker = CommitMarker(tmp_path / "w")
    assert marker.read() == 0
    marker.close()


def test_no_file_that_was_moved_aside_is_ever_overwritten(tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    contents = {}
    for round_ in range(3):
        # The second time the database itself is gone, and only a WAL is there.
        for suffix in ("-wal",) if round_ == 1 else ("", "-wal"):
            (tmp_path / f"ledger.db{suffix}").write_bytes(b"%d" % round_)
        target = move_aside(database, 1_800_000_000.0)
        contents[target.with_name(target.name + "-wal")] = b"%d" % round_
    assert len(contents) == 3
    assert {path: path.read_bytes() for path in contents} == contents
    assert min(contents).name == "ledger.db.damaged-20270115T080000Z-2-wal"


def test_trouble_around_a_file_is_not_damage_to_it(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    for error in (apsw.FullError, apsw.CantOpenError, apsw.BusyError):
        assert not says_damage(error(), tmp_path / "ledger.db")
    for damage in (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.TooBigError):
        assert says_damage(damage(), tmp_path / "ledger.db")


def test_read_only_is_damage_where_the_file_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    assert os.access(path, os.W_OK)
    assert says_damage(apsw.ReadOnlyError(), path)
    assert not says_damage(apsw.ReadOnlyError(), tmp_path / "absent")
