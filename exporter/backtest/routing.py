"""Alertmanager's routes and inhibitions, read from the configuration that is rendered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from exporter import names
from exporter.policy.model import Duration
from exporter.render import alertmanager
from exporter.render.alerts import SEVERITY, SIGNAL
from exporter.render.catalog import Subject
from exporter.render.pack import Pack

Labels = Mapping[str, str]
_MATCHER: Final = re.compile(r'(\w+)(=~|=)"(.*)"')
_TIMES: Final = ("group_wait", "group_interval", "repeat_interval")


@dataclass(frozen=True, slots=True)
class Route:
    """Who is told, and when: times in seconds, `by` are the labels that make a group."""

    receiver: str
    by: tuple[str, ...]
    wait: int
    interval: int
    repeat: int

    def group(self, labels: Labels) -> tuple[str, ...]:
        return (self.receiver, *(labels.get(name, "") for name in self.by))


class Routing:
    """`deploy/alertmanager/alertmanager.yml` as far as it decides what is notified together."""

    def __init__(self, pack: Pack) -> None:
        texts = alertmanager.files(pack)
        document = yaml.safe_load(texts[f"{alertmanager.FOLDER}/alertmanager.yml"])
        self._root: dict[str, Any] = document["route"]
        self._inhibitions: list[dict[str, Any]] = document["inhibit_rules"]

    def route(self, labels: Labels) -> Route:
        """The first route of each level that matches, as Alertmanager descends; what a route does not
        say it has from its parent."""
        here, settings = self._root, dict(self._root)
        while (
            inner := next(
                (one for one in here.get("routes", ()) if _all(one["matchers"], labels)), None
            )
        ) is not None:
            here = inner
            settings |= inner
        times = [Duration(settings[name]).seconds for name in _TIMES]
        return Route(settings["receiver"], tuple(settings["group_by"]), *times)

    def inhibits(self, source: Labels, target: Labels) -> bool:
        """Whether `target` is silent while `source` fires."""
        return any(
            _all(one["source_matchers"], source)
            and _all(one["target_matchers"], target)
            and all(source.get(name) == target.get(name) for name in one.get("equal", ()))
            for one in self._inhibitions
        )


def labels_of(subject: Subject) -> Labels:
    """The labels of the alert that routes and inhibitions look at."""
    labels = {
        "alertname": subject.alert,
        SEVERITY: subject.severity,
        SIGNAL: subject.signal.value,
    }
    if subject.system is not None:
        labels[names.SYSTEM] = subject.system.system
    if subject.code is not None:
        labels |= {names.CODE: subject.code.code, names.OWNER: subject.code.owner.value}
    return labels


def _all(matchers: Sequence[str], labels: Labels) -> bool:
    return all(_matches(one, labels) for one in matchers)


def _matches(matcher: str, labels: Labels) -> bool:
    found = _MATCHER.fullmatch(matcher)
    if not found:
        raise ValueError(f"{matcher}: neither = nor =~")
    name, operator, wanted = found.groups()
    value = labels.get(name, "")
    return value == wanted if operator == "=" else bool(re.fullmatch(wanted, value))
