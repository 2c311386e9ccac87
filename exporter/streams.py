"""Standard streams: a program can run without them, and print the text of a sender safely."""

import io
import os
import sys
from contextlib import suppress


def reserve() -> None:
    """Open the null device in place of each closed standard descriptor, and print text in any locale."""
    # With `2>&-`, the next file that is opened becomes descriptor 2. That file was the ledger, and log lines
    # were written into it.
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Opens the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def release() -> None:
    """Drop streams that can't be written: Python's last flush would make the exit code 120."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(AttributeError):
            try:
                stream.flush()
            except (OSError, ValueError):
                setattr(sys, name, None)


def printable(text: str, keep: str = "") -> str:
    """`text` with invisible characters as `<U+200B>`, except those in `keep`."""
    # A sender's text could move a terminal's cursor, reverse the text that follows (U+202E) or hide a space.
    return "".join(
        character if character.isprintable() or character in keep else f"<U+{ord(character):04X}>"
        for character in text
    )
