"""Waiting for something to become true."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

POLL: Final = 0.1
"""Seconds between two looks: ten times a scrape, and nothing that makes a laptop warm."""

_Found = TypeVar("_Found")


def until(
    condition: Callable[[], _Found | None],
    seconds: float,
    what: str,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Found:
    """The condition's first value that is true. Raises `TimeoutError`, naming `what`, after `seconds`."""
    deadline = monotonic() + seconds
    while not (found := condition()):
        if monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} seconds")
        sleep(POLL)
    return found
