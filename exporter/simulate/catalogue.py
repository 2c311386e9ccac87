"""Incidents in words: the list of `simulate --list-incidents`, and a line for one that happens."""

import textwrap
from typing import Final

from exporter.simulate.history import Incident
from exporter.simulate.incidents import KINDS, Kind
from exporter.simulate.scenario import STANDARD, STANDARD_DAYS
from exporter.simulate.traffic import DAY, HOUR

_WIDTH: Final = 80
_EXPECTED: Final = {
    "page": "wakes on-call",
    "ticket": "ticket",
    "nothing": "nobody is to hear of it",
}


def catalogue() -> str:
    """Every incident: how long it lasts, what the alerts should make of it, its codes, its story."""
    lines = []
    for kind in KINDS.values():
        lines += [
            f"{kind.name:<20} {_length(kind.seconds):<5} {_EXPECTED[kind.expects]}",
            f"  {_codes(kind)}",
            *textwrap.wrap(
                kind.story,
                _WIDTH,
                initial_indent="  ",
                subsequent_indent="  ",
                break_on_hyphens=False,
            ),
            "",
        ]
    lines.append(
        f"{'standard':<20} {f'{STANDARD_DAYS}d':<5} {len(STANDARD)} of the above, for a whole run"
    )
    return "\n".join(lines)


def described(incident: Incident) -> str:
    """The incident, its system and codes, and what the alerts should make of it."""
    codes = f" {' '.join(incident.codes)}" if incident.codes else ""
    expected = _EXPECTED[incident.expects]
    if incident.signals:
        expected = f"{incident.expects}: {' or '.join(incident.signals)}"
    return f"{incident.name} on {incident.system}{codes} ({expected})"


def _codes(kind: Kind) -> str:
    named = [
        f"{system} {' '.join(codes)}" if codes else system for system, codes in kind.codes.items()
    ]
    return ", ".join(named)


def _length(seconds: float) -> str:
    for unit, size in (("d", DAY), ("h", HOUR)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds / 60:g}m"
