"""Groups, records and alerts of the shipped rule files."""

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[1] / "rules"


def groups(folder: Path = RULES) -> dict[str, list[dict[str, Any]]]:
    """The groups of each rule file, as they are written."""
    return {
        path.name: yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]
        for path in sorted(folder.glob("*.yml"))
    }


def _rules(kind: str) -> dict[str, dict[str, Any]]:
    rules = (rule for file in groups().values() for group in file for rule in group["rules"])
    return {rule[kind]: rule for rule in rules if kind in rule}


def recording() -> dict[str, str]:
    """Expression of each record."""
    return {record: rule["expr"] for record, rule in _rules("record").items()}


def alerts() -> dict[str, dict[str, Any]]:
    """Each alert by its name."""
    return _rules("alert")
