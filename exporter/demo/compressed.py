"""Divides every duration in the shipped rules and Alertmanager configuration, and changes nothing else."""

import re
from typing import Final

SPEED: Final = 30
"""Simulated seconds per second. The greatest divisor that leaves whole seconds in the rules and several
scrapes, one per second, in the shortest window: 90s become 3s, an hour becomes two minutes."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"\b(?:\d+[smhd])+\b")
_PART: Final = re.compile(r"(\d+)([smhd])")


def compressed(text: str, speed: int = SPEED) -> str:
    """The text of a rule file or configuration with durations divided by `speed`.

    A range that is one second longer than its window stays one second longer. Other durations are rounded
    up: Alertmanager's 40 s must remain longer than an evaluation of the rules.
    """

    def shorter(match: re.Match[str]) -> str:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(match[0]))
        if seconds % speed == 1:
            return f"{seconds // speed + 1}s"
        return f"{-(-seconds // speed)}s"

    return _DURATION.sub(shorter, text)
