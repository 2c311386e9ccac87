"""Prometheus rule files."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import promql_parser

from exporter import yaml_file
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


_Text = str | int | float | bool


class _Entry(msgspec.Struct, rename={"wait": "for"}):
    expr: str | int | float
    record: str = ""
    alert: str = ""
    wait: str | int = 0
    keep_firing_for: str | int = 0
    labels: dict[str, _Text] | None = None
    annotations: dict[str, _Text] | None = None


class _Group(msgspec.Struct):
    name: str
    interval: str | None = None
    rules: list[_Entry] | None = None


class _File(msgspec.Struct):
    groups: list[_Group] | None = None


def load(paths: Iterable[Path]) -> tuple[Group, ...]:
    """The groups of all files, in order.

    Raises `ConfigError` for a file that is no rule file, and `UnsupportedRule` with all rules of which
    something is not supported.
    """
    groups: list[Group] = []
    mistakes: list[str] = []
    for path in paths:
        for group in _read(path).groups or ():
            rules = []
            for entry in group.rules or ():
                try:
                    rules.append(_rule(str(path), group.name, entry))
                except (Unsupported, ValueError) as error:
                    name = entry.alert or entry.record
                    mistakes.append(f"{path}: group '{group.name}', rule '{name}': {error}")
            interval = None if group.interval is None else _duration(group.interval)
            groups.append(Group(str(path), group.name, interval, tuple(rules)))
    if mistakes:
        raise UnsupportedRule(*mistakes)
    return tuple(groups)


def _read(path: Path) -> _File:
    try:
        return msgspec.convert(yaml_file.load(path), _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None


def _rule(file: str, group: str, entry: _Entry) -> Rule:
    """Raises `Unsupported`, and `ValueError` for a wrong expression or duration."""
    own = {name: str(text) for name, text in (entry.labels or {}).items()}
    for name, text in own.items():
        if "{{" in _LABEL.sub("", text):
            raise Unsupported(f"template '{text}' of label '{name}'", ["{{ $labels.name }}"])
    return Rule(
        file,
        group,
        entry.alert or entry.record,
        bool(entry.alert),
        prepared(str(entry.expr)),
        own,
        {name: str(text) for name, text in (entry.annotations or {}).items()},
        _duration(entry.wait),
        _duration(entry.keep_firing_for),
    )


def _duration(text: str | int) -> int:
    """Milliseconds. Raises `ValueError` for what is no duration."""
    return milliseconds(promql_parser.parse_duration(str(text))) if text not in (0, "0") else 0


def _filled(text: str, pairs: dict[str, str]) -> str:
    return _LABEL.sub(lambda match: pairs.get(match[1], ""), text)
