"""Checksums, the commit marker, and damaged files that are moved aside."""

from pathlib import Path

import apsw
import pytest

from exporter.ledger.damage import checksum, is_damage, move_aside
from exporter.ledger.marker import CommitMarker


def test_checksum_is_a_signed_integer_and_distinguishes_types() -> None:
    sums = {checksum(n, "x") for n in range(2000)}
    assert len(sums) == 2000
    assert -(1 << 63) <= min(sums) < 0 < max(sums) < 1 << 63
    assert checksum("1") != checksum(1) != checksum(1.0)
    assert checksum("ab", "c") != checksum("a", "bc")


def test_marker_names_the_last_written_commit(tmp_path: Path) -> None:
    marker = CommitMarker(tmp_path / "marker")
    assert marker.read() == 0
    for commit in (1, 2, 1 << 62):
        marker.write(commit)
        assert marker.read() == commit
    marker.close()
    again = CommitMarker(tmp_path / "marker")
    assert again.read() == 1 << 62
    again.close()


@pytest.mark.parametrize("content", [b"", b"\x05", bytes(16), bytes(range(16)), b"\xff" * 40])
def test_marker_that_is_unreadable_names_no_commit(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "marker").write_bytes(content)
    marker = CommitMarker(tmp_path / "marker")
    assert marker.read() == 0
    marker.close()


def test_move_aside_never_overwrites_a_file(tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    contents = {}
    for attempt in range(3):
        # The second time, only a WAL is there.
        for suffix in ("-wal",) if attempt == 1 else ("", "-wal"):
            (tmp_path / f"ledger.db{suffix}").write_bytes(b"%d" % attempt)
        target = move_aside(database, 1_800_000_000.0)
        contents[target.with_name(target.name + "-wal")] = b"%d" % attempt
    assert len(contents) == 3
    assert {path: path.read_bytes() for path in contents} == contents
    assert min(contents).name == "ledger.db.damaged-20270115T080000Z-2-wal"


def test_errors_of_the_environment_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.touch()
    for environment in (apsw.FullError, apsw.CantOpenError, apsw.BusyError):
        assert not is_damage(environment(), path)
    for damage in (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.TooBigError):
        assert is_damage(damage(), path)
    assert is_damage(apsw.ReadOnlyError(), path), "the file can be written"
    assert not is_damage(apsw.ReadOnlyError(), tmp_path / "absent")
