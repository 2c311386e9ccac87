"""A small disk that can be filled up."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *options: str) -> Iterator[Path]:
    """A tmpfs of 8 MiB. Where mounting is not permitted the test fails: it must not be skipped unseen."""
    folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(("size=8m", *options)), "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.fail(
            "this test fills a tmpfs of its own, and mounting one needs root or CAP_SYS_ADMIN: "
            + mounted.stderr
        )
    try:
        yield folder
    finally:
        # Lazily: a test that failed may have its ledger open still.
        subprocess.run(["umount", "-l", folder], check=True)


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
