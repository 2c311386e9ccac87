"""Rule files for a history of ends."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter.errors import ConfigError
from exporter.promql.rulefile import Group
from exporter.promql.rulefile import load as load_files

OF_EXPORTER: Final = "exporter"
"""The `signal` of alerts about the exporter itself, which no history of ends can tell anything about."""


def load(folder: Path) -> tuple[Group, ...]:
    """The groups of all rule files in the folder, by name of the file, without alerts about the exporter.

    Raises `ConfigError` for a folder without a rule file, and as `exporter.promql.rulefile.load`.
    """
    paths = sorted((*folder.glob("*.yml"), *folder.glob("*.yaml")))
    if not paths:
        raise ConfigError(f"{folder}: no rule file: a folder with *.yml is needed")
    return tuple(
        replace(
            group,
            rules=tuple(rule for rule in group.rules if rule.labels.get("signal") != OF_EXPORTER),
        )
        for group in load_files(paths)
    )
