"""Rules, groups and rule files, and their one way of being written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

COMMAND: Final = "session-end-exporter render"
MARK: Final = "DO NOT EDIT"
HEADER: Final = (
    f"# {MARK}: written by `{COMMAND}` from exporter/taxonomy/*.yaml and exporter/policy.yaml.\n"
)
"""Names no version and no time: the same inputs give the same bytes."""
_NUMBERLIKE: Final = re.compile(r"[-+.0-9eE_]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """A recording rule has `record`, an alert `alert`; durations are written as Prometheus reads them."""

    expr: str
    record: str = ""
    alert: str = ""
    for_: str = ""
    keep_firing_for: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """What YAML holds, empty keys left out."""
        given = {
            "record": self.record,
            "alert": self.alert,
            "expr": self.expr,
            "for": self.for_,
            "keep_firing_for": self.keep_firing_for,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
        }
        return {key: value for key, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that Prometheus evaluates one after another, all for the same instant."""

    name: str
    interval: str
    rules: tuple[Rule, ...]

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "interval": self.interval,
            "rules": [rule.document() for rule in self.rules],
        }


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of `rules/`."""

    path: str
    groups: tuple[Group, ...]

    def text(self) -> str:
        return write({"groups": [group.document() for group in self.groups]})


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # 08 is a text to PyYAML and a number to others, so whatever looks like one is quoted.
    style = "|" if "\n" in text else '"' if _NUMBERLIKE.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
_Dumper.add_multi_representer(str, _represent)


def write(document: Mapping[str, Any]) -> str:
    """YAML with the header, keys in the order given, a line of text on a line."""
    body = yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True
    )
    return HEADER + str(body)
