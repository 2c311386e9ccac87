"""A small disk that can be filled up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.root import as_root


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
