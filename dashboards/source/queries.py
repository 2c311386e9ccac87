"""PromQL of the panels: selectors with Grafana's variables, joins with the words, replicas counted once."""

from collections.abc import Iterable
from typing import Final

from exporter import names

RATE_INTERVAL: Final = "$__rate_interval"
INSTANCE: Final = "instance"
SYSTEMS: Final = f'{names.SYSTEM}=~"$system"'
"""The chosen systems; Grafana writes several as a regular expression."""
THIS_CODE: Final = f'{SYSTEMS}, {names.CODE}="$code"'
INSTANCES: Final = f'{INSTANCE}=~"$instance"'
SYSTEMS_OR_NONE: Final = f'{names.SYSTEM}=~"$system|"'
"""The alerts about the exporter have no system."""
FAILURE: Final = f'{names.OUTCOME}="failure"'
NO_SUCCESS: Final = f'{names.OUTCOME}!="success"'
NO_NEUTRAL: Final = f'{names.OUTCOME}!="neutral"'
KEYS: Final = f"{names.SYSTEM}, {names.CODE}"
ON_SYSTEM: Final = f"on ({names.SYSTEM})"
MANY_TO_SYSTEM: Final = f"{ON_SYSTEM} group_left ()"

ALERTS: Final = "ALERTS"
ALERTS_SINCE: Final = "ALERTS_FOR_STATE"
"""The two series that Prometheus makes of alerts."""
SIGNALS: Final = (
    "spike",
    "overrun",
    "elevated",
    "new",
    "stopped",
    "queue",
    "budget",
    "exporter",
)
SHIPPED: Final = f'signal=~"{"|".join(SIGNALS)}"'
"""Leaves out the alerts of other rule files, which have no such signal."""
FIRING: Final = 'alertstate="firing"'

SPIKE_WINDOWS: Final = ("5m", "15m", "1h")
ELEVATED_WINDOWS: Final = ("6h", "1d")
PERIOD: Final = "30d"
"""Of the error budget. Shorter where Prometheus keeps its samples for a shorter time."""


def selector(metric: str, *matchers: str) -> str:
    """`metric{matchers}`; matchers are written out, with Grafana's variables in them."""
    inner = ", ".join(matchers)
    return f"{metric}{{{inner}}}" if inner else metric


def total(by: str, expr: str) -> str:
    """`sum by (by) (expr)`."""
    return f"sum by ({by}) ({expr})"


def labeled(expr: str, name: str, value: str) -> str:
    """Adds a label with a fixed value."""
    return f'label_replace({expr}, "{name}", "{value}", "", "")'


def counted(function: str, metric: str, matchers: Iterable[str], window: str, by: str = "") -> str:
    """A range function of a counter. Replicas of one ledger count once; ledgers are summed.

    `by` comes last in each list of labels: when it is a variable without a value, the rest of the
    list is still PromQL.
    """
    inner = f"{function}({selector(metric, *matchers)}[{window}])"
    per_instance = total(f"{names.LEDGER}, {INSTANCE}, {by}", inner)
    return total(by, f"max by ({names.LEDGER}, {by}) ({per_instance})")


def per_minute(metric: str, by: str, *matchers: str) -> str:
    """A counter's rate per minute, counted in the same way."""
    return f"60 * {counted('rate', metric, matchers, RATE_INTERVAL, by)}"


def per_second(metric: str, by: str, *matchers: str) -> str:
    """A rate of what each exporter counts for itself: replicas are summed."""
    return total(by, f"rate({selector(metric, INSTANCES, *matchers)}[{RATE_INTERVAL}])")


def quantile(part: float, metric: str, by: str) -> str:
    """A quantile of a histogram that each exporter has for itself."""
    rate = f"rate({selector(metric + '_bucket', INSTANCES)}[{RATE_INTERVAL}])"
    return f"histogram_quantile({part}, {total(f'le, {by}', rate)})"


def words(*matchers: str) -> str:
    """A series of 1 per code, with its name, phase, category, outcome, owner and severity as labels."""
    return selector(names.RULE_CODE_INFO, SYSTEMS, *matchers)


def with_words(expr: str, labels: Iterable[str], *matchers: str) -> str:
    """A value per system and code, with labels of the words; only of codes whose words match."""
    return f"({expr})\n* on ({KEYS}) group_left ({', '.join(labels)}) {words(*matchers)}"


def only(expr: str, *matchers: str) -> str:
    """A value per system and code, of codes whose words match."""
    return f"{expr}\nand on ({KEYS}) {words(*matchers)}"


def titled(expr: str) -> str:
    """Adds the label `title`, made of code and name."""
    return f'label_join({expr}, "title", " ", "{names.CODE}", "{names.NAME}")'


def ends(window: str) -> str:
    """All ends of a window, per system."""
    return total(names.SYSTEM, selector(names.RULE_COUNT + window, SYSTEMS))


def share(window: str, *matchers: str) -> str:
    """The part of all ends of its system that each code has."""
    count = selector(names.RULE_COUNT + window, *matchers)
    return f"{count} / {MANY_TO_SYSTEM} {ends(window)}"


def expected(window: str, *matchers: str) -> str:
    """The count that the baseline share leads to expect, per system and code."""
    return f"{selector(names.RULE_SHARE, *matchers)} * {MANY_TO_SYSTEM} {ends(window)}"


def of_threshold(window: str, *matchers: str) -> str:
    """The count of each code as a part of its threshold."""
    count = selector(names.RULE_COUNT + window, *matchers)
    return f"{count} / {selector(names.RULE_THRESHOLD + window, *matchers)}"


def worst_of_threshold(*matchers: str) -> str:
    """The same in the worst of the windows of a spike."""
    parts = (labeled(of_threshold(window, *matchers), "window", window) for window in SPIKE_WINDOWS)
    return f"max by ({KEYS}) (\n  " + "\n  or ".join(parts) + "\n)"


def objective() -> str:
    """Of each system."""
    return selector(names.RULE_OBJECTIVE, SYSTEMS)


def burn(ratio: str, match: str = ON_SYSTEM) -> str:
    """A failure ratio as a multiple of what the system's objective allows."""
    return f"({ratio})\n/ {match} (1 - {objective()})"


def period_failure_ratio() -> str:
    """Failures among the ends that count, over the error budget's period, per system.

    In steps of the shortest window, so that a failure is visible within minutes.
    """

    def ends_of(matcher: str) -> str:
        count = selector(names.RULE_COUNT_BY_OUTCOME + "5m", SYSTEMS, matcher)
        return total(names.SYSTEM, f"sum_over_time({count}[{PERIOD}:5m])")

    # 0 / 0 is NaN, which a panel shows as a number.
    return f"{ends_of(FAILURE)} / ({ends_of(NO_NEUTRAL)} > 0)"


def budget_left() -> str:
    """The part of the error budget that is left, per system."""
    return f"1 - {burn(period_failure_ratio())}"


def recorded_failure_ratio(window: str) -> str:
    """The same ratio over a recorded window."""
    # The comparison drops NaN, which is recorded while nothing ends.
    return f"{selector(names.RULE_ERROR_RATIO + window, SYSTEMS)} >= 0"
