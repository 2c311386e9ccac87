"""Groups, records and alerts of the shipped rule files."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter.rule_files import RULES


def groups(folder: Path = RULES) -> dict[str, list[dict[str, Any]]]:
    """The groups of each rule file, unchanged."""
    return {
        path.name: yaml.load(path.read_text(), yaml.CSafeLoader)["groups"]
        for path in sorted(folder.glob("*.yml"))
    }


def keep_alerts(
    alerts: Container[str],
    files: Mapping[str, list[dict[str, Any]]],
    inputs: Container[str] = frozenset(),
) -> None:
    """Remove all other alerts from the files, records that no remaining alert reads, and records in
    `inputs`."""
    chosen = [group for file in files.values() for group in file]
    rules = [rule for group in chosen for rule in group["rules"]]
    records = [rule for rule in rules if "record" in rule and rule["record"] not in inputs]
    needed = [rule for rule in rules if rule.get("alert") in alerts]
    for rule in needed:
        text = str(rule)
        needed += [other for other in records if other["record"] in text and other not in needed]
    for group in chosen:
        group["rules"] = [rule for rule in group["rules"] if rule in needed]


def _rules(kind: str) -> dict[str, dict[str, Any]]:
    rules = (rule for file in groups().values() for group in file for rule in group["rules"])
    return {rule[kind]: rule for rule in rules if kind in rule}


def recording() -> dict[str, str]:
    return {record: rule["expr"] for record, rule in _rules("record").items()}


def alerts() -> dict[str, dict[str, Any]]:
    return _rules("alert")
