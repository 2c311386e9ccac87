"""The shipped rule files with shorter durations, so that a few hours show what takes days."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from exporter.promql.rulefile import Group

RULES = Path(__file__).parents[2] / "rules"
ORDER = ("words", "windows", "budget", "long", "snapshots", "baseline")
"""What the rules read of each other at the same instant."""
_DURATION = re.compile(r"(?<=[\[ :])((?:\d+(?:ms|[smhdwy]))+)(?=[\]:) \n]|$)", re.M)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def shorter(text: str) -> str:
    """Longer durations become shorter by more, and stay longer than the others. A second that was added
    to include a range's first sample is added again."""

    def replaced(match: re.Match[str]) -> str:
        seconds = sum(
            int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", match[1])
        )
        whole, rest = seconds - seconds % 30, seconds % 30
        return f"{max(30, round(60 * (whole / 60) ** 0.6 / 30) * 30) * bool(whole) + rest}s"

    return _DURATION.sub(replaced, text)


def shortened(folder: Path) -> list[Path]:
    """The files without annotations, which promtool would expand at each evaluation of an alert."""
    files = []
    for path in sorted(RULES.glob("*.yml")):
        document = yaml.safe_load(shorter(path.read_text()))
        for group in document["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)
        files.append(folder / path.name)
        files[-1].write_text(yaml.safe_dump(document, sort_keys=False, width=1_000_000))
    return files


def ordered(groups: Iterable[Group]) -> list[Group]:
    """Groups in an order in which each reads what those before it wrote at the same instant."""
    first = [f"session-ends-{name}" for name in ORDER]
    return sorted(
        groups, key=lambda group: (group.name not in first, (*first, group.name).index(group.name))
    )
