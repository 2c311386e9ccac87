"""The recording rules of the shipped rule files."""

from typing import Any

import yaml

from tests.e2e.exporter_process import ROOT

RULES = ROOT / "rules"


def groups() -> dict[str, list[dict[str, Any]]]:
    """The groups of each rule file, as they are written."""
    return {path.name: yaml.safe_load(path.read_text())["groups"] for path in RULES.glob("*.yml")}


def recording() -> dict[str, str]:
    """Expression of each record."""
    return {
        rule["record"]: rule["expr"]
        for file in groups().values()
        for group in file
        for rule in group["rules"]
        if "record" in rule
    }


def alerts() -> dict[str, dict[str, Any]]:
    """Each alert by its name."""
    return {
        rule["alert"]: rule
        for file in groups().values()
        for group in file
        for rule in group["rules"]
        if "alert" in rule
    }
