"""Small disks for tests: one to fill, one that can hang."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.root import as_root, give, output_as_root


def _mount(needs: str, *commands: tuple[str | Path, ...]) -> None:
    # The test fails, because a skipped test would look like a passed one.
    for command in commands:
        done = as_root(*command)
        assert done.returncode == 0, f"mounting a disk needs {needs}: {done.stderr}"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A tmpfs of 8 MiB at `folder`, unmounted afterwards."""
    folder.mkdir()
    _mount(
        "CAP_SYS_ADMIN; in a container: --cap-add SYS_ADMIN",
        ("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder),
    )
    try:
        yield folder
    finally:
        # Lazily: a failed test may still have its ledger open.
        output_as_root("umount", "--lazy", folder)


def remount(folder: Path, mode: str) -> None:
    """Make the small disk `ro` or `rw`."""
    output_as_root("mount", "-o", f"remount,{mode}", folder)


def fill(folder: Path, spare: int = 0) -> Path:
    """Fill the disk except `spare` bytes, and return the file that fills it."""
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
    """An ext4 of 64 MiB at `folder` for `freeze`, unmounted afterwards."""
    folder.mkdir()
    image = folder.with_name(f"{folder.name}.img")
    with image.open("wb") as file:
        file.truncate(64 << 20)
    _mount(
        "CAP_SYS_ADMIN and loop devices; in a container: --privileged",
        ("mkfs.ext4", "-q", image),
        ("mount", "-o", "loop", image, folder),
    )
    try:
        give(folder, os.getuid(), os.getgid())
        yield folder
    finally:
        thaw(folder)
        output_as_root("umount", "--lazy", folder)


def freeze(disk: Path) -> None:
    """Block every write to the disk until `thaw`. A process that waits for a blocked write cannot be killed
    before `thaw`."""
    output_as_root("fsfreeze", "--freeze", disk)


def thaw(disk: Path) -> None:
    """Unblock writes. Does nothing if the disk is not frozen."""
    as_root("fsfreeze", "--unfreeze", disk)
