"""The standard streams of a program that must run on without them."""

import os
import sys
from contextlib import suppress


def reserve() -> None:
    """Open the null device in the place of each standard descriptor that is closed.

    With `2>&-` the next file that is opened becomes descriptor 2: it was the ledger, and whatever wrote to
    stderr wrote into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number, which is this one: those below are open.
            os.open(os.devnull, os.O_RDWR)


def release() -> None:
    """Let go of streams that cannot be written: Python's last flush would turn the exit code into 120."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(AttributeError):
            try:
                stream.flush()
            except (OSError, ValueError):
                setattr(sys, name, None)
