"""Small disks: one that can be filled up, and one that can be made to hang."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.root import as_root, give


class CantMount(AssertionError):
    """There is no small disk to fill: a failure, because a row that is skipped looks like one that holds."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A tmpfs of 8 MiB at `folder`, gone afterwards. Raises `CantMount`, saying what is missing."""
    folder.mkdir()
    done = as_root("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder)
    if done.returncode:
        raise CantMount(
            "a full disk is tried on a tmpfs, and mounting one needs root with CAP_SYS_ADMIN "
            f"(in a container: --cap-add SYS_ADMIN): {done.stderr.strip()}"
        )
    try:
        yield folder
    finally:
        # Lazily: a test that failed may have its ledger open still.
        done = as_root("umount", "--lazy", folder)
        assert done.returncode == 0, done.stderr


def remount(folder: Path, how: str) -> None:
    """The small disk, `ro` or `rw` from here on."""
    done = as_root("mount", "-o", f"remount,{how}", folder)
    assert done.returncode == 0, done.stderr


def fill(folder: Path, spare: int = 0) -> Path:
    """Take every byte that is left but `spare`; the file that holds them."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(block))
            except OSError:
                continue
        file.truncate(file.tell() - spare)
    return filler


@contextmanager
def freezable_disk(folder: Path) -> Iterator[Path]:
    """An ext4 of 64 MiB at `folder`, for `freeze`; gone afterwards. Raises `CantMount`, saying what is
    missing."""
    folder.mkdir()
    image = folder.with_name(f"{folder.name}.img")
    with image.open("wb") as file:
        file.truncate(64 << 20)
    for command in (("mkfs.ext4", "-q", image), ("mount", "-o", "loop", image, folder)):
        done = as_root(*command)
        if done.returncode:
            raise CantMount(
                "a disk that hangs is tried on an ext4 image, and mounting it needs root with CAP_SYS_ADMIN "
                f"and loop devices (in a container: --privileged): {done.stderr.strip()}"
            )
    try:
        give(folder, os.getuid(), os.getgid())
        yield folder
    finally:
        thaw(folder)
        done = as_root("umount", "--lazy", folder)
        assert done.returncode == 0, done.stderr


def freeze(disk: Path) -> None:
    """Make every write to the disk wait until `thaw`. A process that waits can't be killed before that."""
    done = as_root("fsfreeze", "--freeze", disk)
    assert done.returncode == 0, done.stderr


def thaw(disk: Path) -> None:
    """Let the writes go on; nothing when the disk is not frozen."""
    as_root("fsfreeze", "--unfreeze", disk)
