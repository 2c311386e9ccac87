"""Where a benchmark runs: the checkout that it measures, and a folder for its files."""

import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from tests.e2e.exporter_process import ROOT, ExporterProcess


@contextmanager
def working_folder() -> Iterator[Path]:
    """A folder on the disk of the checkout. /tmp may be in memory, where fdatasync costs nothing.

    SIGTERM ends the block as Ctrl-C does, and with it all programs that it started.
    """
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed, and all loads come from it. `make bench` installs it.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=build, prefix="bench-") as name:
        yield Path(name)


@dataclass(frozen=True)
class Setup:
    """The checkout that is measured, a folder for files, and the length of a turn in seconds."""

    folder: Path
    seconds: int
    quick: bool = False
    root: Path = ROOT

    def exporter(
        self, settings: Mapping[str, object] | None = None, data_dir: Path | None = None
    ) -> ExporterProcess:
        """An exporter of the checkout, with an empty ledger unless `data_dir` has one."""
        return ExporterProcess(
            data_dir or self.new_folder() / "data",
            settings=settings,
            # Python looks for modules in the working directory first.
            wrapper=("env", f"--chdir={self.root}"),
        )

    def new_folder(self) -> Path:
        return Path(mkdtemp(dir=self.folder))

    def scaled(self, count: int) -> int:
        """The number of ids, series or label values to measure with: few in the quick version."""
        return max(1, count // 50) if self.quick else count
