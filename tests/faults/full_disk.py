"""Row 5 of the fault table: a disk that fills up and is given space again."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class CantMount(AssertionError):
    """There is no small disk to fill: a failure, because a row that is skipped looks like one that holds."""


@contextmanager
def small_disk(folder: Path, size: str = "8m") -> Iterator[Path]:
    """A tmpfs of `size` at `folder`, gone afterwards. Raises `CantMount`, saying what is missing."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CantMount(
            "a full disk is tried on a tmpfs, and mounting one needs root with CAP_SYS_ADMIN "
            f"(in a container: --cap-add SYS_ADMIN): {done.stderr.strip()}"
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """A file that takes every byte that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for block in (1 << 16, 1 << 12, 1 << 8, 1):
            try:
                while True:
                    file.write(bytes(block))
            except OSError:
                continue
    return filler
