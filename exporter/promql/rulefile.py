"""Prometheus rule files."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import promql_parser
from yaml.constructor import ConstructorError, SafeConstructor

from exporter import yaml_file
from exporter.errors import ConfigError, UnsupportedRule
from exporter.promql.evaluate import parse_supported
from exporter.promql.expression import Node, Range, Subquery, Text, Unsupported, milliseconds
from exporter.promql.value import METRIC_NAME, Vector, labels

ALERTNAME: Final = "alertname"
ALERTS: Final = "ALERTS"
FOR_STATE: Final = "ALERTS_FOR_STATE"


@dataclass(frozen=True, eq=False)
class Rule:
    """A recording or an alerting rule. `wait` is `for`, `keep` is `keep_firing_for`, in milliseconds."""

    place: str
    """File and group."""
    name: str
    alert: bool
    tree: Node
    labels: dict[str, str]
    annotations: dict[str, str]
    wait: int
    keep: int

    def __str__(self) -> str:
        return f"{self.place}, rule '{self.name}'"

    @property
    def metrics(self) -> tuple[str, ...]:
        return (ALERTS, FOR_STATE) if self.alert else (self.name,)

    def labeled(self, vector: Vector) -> Vector:
        """The result with the rule's labels and name."""
        own = {METRIC_NAME: "", **self.labels, ALERTNAME if self.alert else METRIC_NAME: self.name}
        rows = [labels(dict(row) | own) for row in vector.labels]
        reason = "vector contains metrics with the same labelset after applying "
        reason += "alert labels" if self.alert else "rule labels"
        return vector.with_labels(rows, reason)


@dataclass(frozen=True, eq=False)
class Group:
    """A group of rules; `interval` is in milliseconds, 0 for the default."""

    name: str
    interval: int
    rules: tuple[Rule, ...]


class _Texts(SafeConstructor):
    """Values are the text of the file, as for Prometheus: `true`, `0x10` or `2026-01-05` as a label."""

    # Not `BaseConstructor`, which does not know the merge key `<<`.
    yaml_constructors: ClassVar[dict[str | None, Any]] = {}


class _Entry(msgspec.Struct, forbid_unknown_fields=True, rename={"wait": "for"}):
    expr: str
    record: str = ""
    alert: str = ""
    wait: str = "0"
    keep_firing_for: str = "0"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    """`limit` and `query_offset` have no effect here."""

    name: str
    interval: str = "0"
    query_offset: str = ""
    limit: int = 0
    labels: dict[str, str] = {}
    rules: list[_Entry] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    groups: list[_Group] = []


def load(
    paths: Iterable[Path],
    wanted: Callable[[Mapping[str, str], str], bool] = lambda labels, expr: True,
) -> tuple[Group, ...]:
    """The groups of all files, in order, with the rules whose labels and expression are wanted.

    Raises `ConfigError` for an invalid file, and `UnsupportedRule` that names all rules that cannot be
    evaluated.
    """
    groups: list[Group] = []
    mistakes: list[str] = []
    for path in paths:
        try:
            node = yaml_file.compose(path)
            content = _Texts().construct_document(node) if node else {}
            file = msgspec.convert(content, _File, strict=False)
        except ConstructorError as error:
            raise ConfigError(f"{path}: {error}") from None
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {error}") from None
        for group in file.groups:
            rules = []
            place = f"{path}: group '{group.name}'"
            for entry in group.rules:
                if not wanted(group.labels | entry.labels, entry.expr):
                    continue
                try:
                    rules.append(_rule(place, entry, group.labels))
                except (Unsupported, ValueError) as error:
                    mistakes.append(f"{place}, rule '{entry.alert or entry.record}': {error}")
            try:
                groups.append(Group(group.name, _milliseconds(group.interval), tuple(rules)))
            except ValueError as error:
                mistakes.append(f"{place}, interval: {error}")
    if mistakes:
        raise UnsupportedRule(*mistakes)
    return tuple(groups)


def _rule(place: str, entry: _Entry, group_labels: dict[str, str]) -> Rule:
    """The rule of an entry. Raises `Unsupported`, or `ValueError` for an invalid expression or duration."""
    own = group_labels | entry.labels
    for name, text in own.items():
        if "{{" in text:
            raise Unsupported(f"template '{text}' of label '{name}'")
    tree = parse_supported(entry.expr)
    if isinstance(tree, Range | Subquery | Text):
        raise ValueError("the expression of a rule must be an instant vector or a number")
    return Rule(
        place,
        entry.alert or entry.record,
        bool(entry.alert),
        tree,
        own,
        entry.annotations,
        _milliseconds(entry.wait),
        _milliseconds(entry.keep_firing_for),
    )


def _milliseconds(duration: str) -> int:
    """A duration in milliseconds. Raises `ValueError` if it is invalid."""
    # promql-parser refuses 0, which a range cannot have.
    if re.fullmatch(r"0(ms|[smhdwy])?", duration):
        return 0
    return milliseconds(promql_parser.parse_duration(duration))
