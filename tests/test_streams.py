"""Standard streams that are closed at the start of the program."""

import sys
from pathlib import Path

from tests.programs import finished

RESERVED = """
import os, sys
from exporter import streams
{call}
with open(sys.argv[1], "w") as file:
    os.write(2, b"what a library writes to stderr")
sys.exit(os.path.getsize(sys.argv[1]))
"""


def run(call: str, path: Path) -> int:
    code = RESERVED.format(call=call)
    wrapper = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    return finished(*wrapper, sys.executable, "-c", code, path).returncode


def test_file_does_not_get_the_descriptor_of_a_closed_stderr(tmp_path: Path) -> None:
    """Fails without `reserve`: the next file gets descriptor 2."""
    assert run("streams.reserve()", tmp_path / "file") == 0
    assert run("", tmp_path / "file") > 0
