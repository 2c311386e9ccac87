"""PromQL from parts: the same numbers with one exporter, with many, and with replicas of one ledger."""

from collections.abc import Mapping, Sequence
from typing import Final

from exporter.names import CATEGORY, CODE, LEDGER, SESSION_ENDS, SYSTEM

INSTANCE: Final = "instance"
CODE_LABELS: Final = (SYSTEM, CODE, CATEGORY)
SYSTEM_LABELS: Final = (SYSTEM,)
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


def ends(
    function: str,
    window: str,
    by: Sequence[str],
    selectors: Sequence[str],
    offset: str = "",
) -> str:
    """A range function of the ends, summed so that replicas of one ledger count once.

    `selectors` are label matchers without braces, "" for all ends; a series matches one of them.
    An instance's series are summed, replicas of a ledger agree but for the scrape's instant, so the
    largest is taken, and ledgers are summed.
    """
    back = f" offset {offset}" if offset else ""
    inner = " or ".join(
        f"{function}({SESSION_ENDS}{{{one}}}[{window}]{back})"
        if one
        else f"{function}({SESSION_ENDS}[{window}]{back})"
        for one in selectors
    )
    outer = ", ".join(by)
    return (
        f"sum by ({outer}) (max by ({LEDGER}, {outer}) "
        f"(sum by ({LEDGER}, {INSTANCE}, {outer}) ({inner})))"
    )


def duration(seconds: int) -> str:
    """The longest unit that leaves a whole number."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def either(*parts: str) -> str:
    """Parts joined by `or`, a line each."""
    return "\n  or ".join(parts)
