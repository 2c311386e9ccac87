"""The shipped rule files and their alerts."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import yaml

from exporter.shipped import shipped
from exporter.taxonomy.model import Code, Owner, Severity

RULES: Final = shipped("rules")
"""The folder of the rule files."""
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_ACTION: Final = re.compile(r"\{\{ if ne .*?\{\{ end \}\}|\{\{.*?\}\}")
"""Actions of Prometheus' templates. The name of the cluster is left out: most installations have one."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of the shipped rules."""

    name: str
    signal: str
    severity: str  # "" if each code has its own
    expr: str
    wait: str  # the rule's `for`
    summary: str  # with `<system>` in place of the label's value


@cache
def alerts() -> tuple[Alert, ...]:
    """Every alert, in the order of the files."""
    paths = [RULES / f"{name}.yml" for name in ("session-ends", "exporter")]
    return tuple(
        Alert(
            name=rule["alert"],
            signal=rule["labels"]["signal"],
            severity=rule["labels"].get("severity", ""),
            expr=rule["expr"],
            wait=rule.get("for", ""),
            summary=_ACTION.sub("", _LABEL.sub(r"<\1>", rule["annotations"]["summary"])),
        )
        for path in paths
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    )


def alerts_of(code: Code) -> tuple[Alert, ...]:
    """The alerts that can fire for a code."""
    if code.severity is Severity.NONE:
        return ()
    signals = {"overrun" if code.planned else "spike", "elevated", "new"}
    if code.owner is Owner.CAPACITY:
        signals.add("queue")
    return tuple(alert for alert in alerts() if alert.signal in signals)
