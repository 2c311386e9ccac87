"""The shipped rules and Alertmanager configuration with every time divided, and nothing else changed."""

import re
from typing import Final

SPEED: Final = 30
"""Simulated seconds in a second. The greatest that leaves whole seconds of each time in the rules and
several scrapes, one a second, in the shortest: 90s are 3s, and an hour is two minutes."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"\b(?:\d+[smhd])+\b")
_PART: Final = re.compile(r"(\d+)([smhd])")


def compressed(text: str, speed: int = SPEED) -> str:
    """The text of a rule file or configuration whose durations are `speed` times shorter.

    A range of the rules is a second longer than its window, and stays a second longer. Others are
    rounded up: Alertmanager's 40 s outlast an evaluation of the rules, and must go on doing so.
    """

    def shorter(found: re.Match[str]) -> str:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(found[0]))
        if seconds % speed == 1:
            return f"{seconds // speed + 1}s"
        return f"{-(-seconds // speed)}s"

    return _DURATION.sub(shorter, text)
