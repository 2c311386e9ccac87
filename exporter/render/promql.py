"""PromQL from parts: the same numbers with one exporter, with many, and with replicas of one ledger."""

from collections.abc import Mapping
from typing import Final

from exporter.names import CATEGORY, CODE, LEDGER, OUTCOME, RULE_SUM, SYSTEM

INSTANCE: Final = "instance"
CODE_LABELS: Final = (SYSTEM, CODE, CATEGORY, OUTCOME)
ON_SYSTEM: Final = f"on ({SYSTEM})"
PER_SYSTEM: Final = f"on ({SYSTEM}) group_left ()"
"""Many codes against their one system."""


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """`metric{label="value"}`, values escaped."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())
    return f"{metric}{{{inner}}}" if inner else metric


def quoted(value: str) -> str:
    """A PromQL string."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def number(value: float) -> str:
    """As short as it can be: 4, 0.02; twelve digits, so that 0.005 * 14.4 is 0.072."""
    return f"{value:.12g}"


def increase(window: str) -> str:
    """How many ends of each code there were in a window, replicas of one ledger counted once.

    Replicas agree but for the scrape's instant, so the largest is taken; ledgers are summed.
    The range is a second longer than the window: samples 30 s apart then span the whole window, and a
    count comes out as one, whether Prometheus takes the range's first instant in (up to 2.x) or not.
    """
    by = ", ".join(CODE_LABELS)
    return (
        f"sum by ({by}) (max by ({LEDGER}, {by}) (increase({RULE_SUM}[{second_longer(window)}])))"
    )


def of_system(record: str, matchers: str = "") -> str:
    """A record per code, summed per system."""
    return (
        f"sum by ({SYSTEM}) ({record}{{{matchers}}})"
        if matchers
        else f"sum by ({SYSTEM}) ({record})"
    )


def second_longer(window: str) -> str:
    """A range that has the samples at both ends of the window in it."""
    return f"{int(window[:-1]) + 1}s" if window.endswith("s") else f"{window}1s"


def duration(seconds: int) -> str:
    """The longest unit that leaves a whole number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def lower(one: str, other: str) -> str:
    """The smaller of two values. Without `or`: its two sides keep names of their own, and a backfill of the
    record then has two series for one."""
    return f"{one} - clamp_min({one} - {other}, 0)"


def either(*parts: str) -> str:
    """Parts joined by `or`, a line each."""
    return "\n  or ".join(parts)
