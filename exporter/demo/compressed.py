"""The shipped policy and Alertmanager configuration with every time divided, and nothing else changed."""

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from exporter.policy.model import Duration
from exporter.render.promql import duration

SPEED: Final = 30
"""Simulated seconds in a second. The greatest that leaves whole seconds of each of the policy's times and
several scrapes, one a second, in its shortest: 90s are 3s, and an hour is two minutes."""

_Part = TypeVar("_Part")
_TIMING: Final = re.compile(
    r"^(\s*group_wait|\s*group_interval|\s*repeat_interval): (\d+[smhdw])$", re.M
)


def compressed(part: _Part, speed: int = SPEED) -> _Part:
    """A policy, or a part of one, whose durations are `speed` times shorter, a second at least."""
    changed: Any = part
    if isinstance(part, Duration):
        changed = _shorter(part, speed)
    elif isinstance(part, tuple):
        changed = tuple(compressed(one, speed) for one in part)
    elif is_dataclass(part) and not isinstance(part, type):
        values = {one.name: compressed(getattr(part, one.name), speed) for one in fields(part)}
        changed = replace(part, **values)
    found: _Part = changed
    return found


def compressed_timings(alertmanager: str, speed: int = SPEED) -> str:
    """The text of an Alertmanager configuration whose groups wait and repeat `speed` times sooner."""
    return _TIMING.sub(
        lambda found: f"{found[1]}: {_shorter(Duration(found[2]), speed)}", alertmanager
    )


def _shorter(given: Duration, speed: int) -> Duration:
    # Rounded up: Alertmanager's 40 s outlast an evaluation of the rules, and have to go on doing so.
    return Duration(duration(-(-given.seconds // speed)))
