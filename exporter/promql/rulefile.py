"""Prometheus rule files."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

from exporter.errors import ConfigError, UnsupportedRule
from exporter.promql.evaluate import prepared
from exporter.promql.expression import Node, Unsupported, milliseconds
from exporter.promql.value import METRIC_NAME, Fail, Labels, Vector, labels

ALERTNAME: Final = "alertname"
_LABEL: Final = re.compile(r"\{\{\s*\$labels\.(\w+)\s*\}\}")


@dataclass(frozen=True, eq=False)
class Rule:
    """A recording or an alerting rule. `wait` is `for`, `keep` is `keep_firing_for`, in milliseconds."""

    file: str
    group: str
    name: str
    alert: bool
    tree: Node
    labels: dict[str, str]
    annotations: dict[str, str]
    wait: int
    keep: int

    def __str__(self) -> str:
        return f"{self.file}: group '{self.group}', rule '{self.name}'"

    def labeled(self, vector: Vector, fail: Fail) -> Vector:
        """The result under the rule's labels and its name."""
        own = {ALERTNAME if self.alert else METRIC_NAME: self.name}

        def row(result: Labels) -> Labels:
            pairs = dict(result)
            if self.alert:
                pairs.pop(METRIC_NAME, None)
            added = {name: _filled(text, dict(result)) for name, text in self.labels.items()}
            return labels(pairs | added | own)

        def same(at: Any, _: str) -> None:
            kind = "alert" if self.alert else "rule"
            fail(at, f"vector contains metrics with the same labelset after applying {kind} labels")

        return vector.with_labels([row(result) for result in vector.labels], same)


@dataclass(frozen=True, eq=False)
class Group:
    """`interval` is in milliseconds, None for the default."""

    file: str
    name: str
    interval: int | None
    rules: tuple[Rule, ...]


def load(paths: Iterable[Path]) -> tuple[Group, ...]:
    """The groups of all files, in order.

    Raises `ConfigError` for a file that is no rule file, and `UnsupportedRule` with all rules of which
    something is not supported.
    """
    groups: list[Group] = []
    mistakes: list[str] = []
    for path in paths:
        document = _read(path)
        for group in document.get("groups") or ():
            where = f"{path}: group '{group.get('name')}'"
            rules = []
            for entry in group.get("rules") or ():
                try:
                    rules.append(_rule(str(path), str(group["name"]), entry))
                except (Unsupported, KeyError, ValueError) as error:
                    name = entry.get("alert") or entry.get("record")
                    why = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
                    mistakes.append(f"{where}, rule '{name}': {why}")
            interval = group.get("interval")
            length = None if interval is None else _duration(interval)
            groups.append(Group(str(path), str(group.get("name")), length, tuple(rules)))
    if mistakes:
        raise UnsupportedRule(*mistakes)
    return tuple(groups)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: is no rule file: it must be a mapping with 'groups'")
    return document


def _rule(file: str, group: str, entry: dict[str, Any]) -> Rule:
    alert = "alert" in entry
    own = {name: str(text) for name, text in (entry.get("labels") or {}).items()}
    for name, text in own.items():
        if "{{" in _LABEL.sub("", text):
            raise Unsupported(
                f"label '{name}': only {{{{ $labels.name }}}} is supported in a template"
            )
    return Rule(
        file,
        group,
        str(entry["alert" if alert else "record"]),
        alert,
        prepared(str(entry["expr"])),
        own,
        dict(entry.get("annotations") or {}),
        _duration(entry.get("for", 0)),
        _duration(entry.get("keep_firing_for", 0)),
    )


def _duration(text: object) -> int:
    """Raises `ValueError` for what is no duration."""
    if text in (0, "0", "0s"):
        return 0
    return milliseconds(promql_parser.parse_duration(str(text)))


def _filled(text: str, pairs: dict[str, str]) -> str:
    return _LABEL.sub(lambda match: pairs.get(match[1], ""), text)
