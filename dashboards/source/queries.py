"""PromQL of the panels: selectors with Grafana's variables, joins with code info, counts of replicas."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from exporter import names

RATE_INTERVAL: Final = "$__rate_interval"
INSTANCE: Final = "instance"
SYSTEMS: Final = f'{names.SYSTEM}=~"$system"'
"""The selected systems; Grafana writes several as a regular expression."""
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
SHIPPED: Final = 'signal=~"spike|overrun|elevated|new|stopped|queue|budget|exporter"'
"""Leaves out the alerts of other rule files, which have no such signal."""
FIRING: Final = 'alertstate="firing"'

SPIKE_WINDOWS: Final = ("5m", "15m", "1h")
PERIOD: Final = "30d"
"""Of the error budget. Shorter where Prometheus keeps its samples for a shorter time."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel. `instant` reads only the end of the time range, `table` gives rows.

    `exemplars` asks for example sessions: counters have them, recorded series do not.
    """

    expr: str
    legend: str = "__auto"
    instant: bool = False
    table: bool = False
    exemplars: bool = False


def selector(metric: str, *matchers: str) -> str:
    """`metric{matchers}`; matchers are written out, with Grafana's variables in them."""
    inner = ", ".join(matchers)
    return f"{metric}{{{inner}}}" if inner else metric


def total(by: str, expr: str) -> str:
    return f"sum by ({by}) ({expr})"


def with_label(expr: str, name: str, value: str) -> str:
    return f'label_replace({expr}, "{name}", "{value}", "", "")'


def counted(function: str, metric: str, matchers: Iterable[str], window: str, by: str = "") -> str:
    """A range function of a counter. Replicas of one ledger count once; ledgers are summed.

    `by` is last in each list of labels: if it is a variable without a value, the list is still PromQL.
    """
    inner = f"{function}({selector(metric, *matchers)}[{window}])"
    per_instance = total(f"{names.LEDGER}, {INSTANCE}, {by}", inner)
    return total(by, f"max by ({names.LEDGER}, {by}) ({per_instance})")


def per_minute(metric: str, by: str, *matchers: str) -> str:
    return f"60 * {counted('rate', metric, matchers, RATE_INTERVAL, by)}"


def rows(expr: str) -> Query:
    return Query(expr, instant=True, table=True)


def exporter_gauge(metric: str, suffix: str = "") -> Query:
    return Query(selector(metric, INSTANCES), "{{instance}}" + suffix)


def exporter_rate(metric: str, by: str = INSTANCE, legend: str = "{}") -> Query:
    """The rate per second of an exporter's own counter: replicas are summed."""
    expr = total(by, f"rate({selector(metric, INSTANCES)}[{RATE_INTERVAL}])")
    return Query(expr, legend.format(f"{{{{{by}}}}}"))


def exporter_quantiles(metric: str, *quantiles: float) -> list[Query]:
    """Quantiles of a histogram of each exporter."""
    rate = f"rate({selector(metric + '_bucket', INSTANCES)}[{RATE_INTERVAL}])"
    buckets = total(f"le, {INSTANCE}", rate)
    return [
        Query(f"histogram_quantile({part}, {buckets})", f"{{{{instance}}}} p{100 * part:.0f}")
        for part in quantiles
    ]


def code_info(*matchers: str) -> str:
    """A series of 1 per code, with its name, phase, category, outcome, owner and severity as labels."""
    return selector(names.RULE_CODE_INFO, SYSTEMS, *matchers)


def with_info(expr: str, labels: Iterable[str], *matchers: str) -> str:
    """A value per system and code, with labels of the code info; only of codes whose info matches."""
    return f"({expr})\n* on ({KEYS}) group_left ({', '.join(labels)}) {code_info(*matchers)}"


def matching(expr: str, matcher: str) -> str:
    """A value per system and code, of codes whose info matches."""
    return f"{expr}\nand on ({KEYS}) {code_info(matcher)}"


def with_title(expr: str) -> str:
    """Adds the label `title`, made of code and name."""
    return f'label_join({expr}, "title", " ", "{names.CODE}", "{names.NAME}")'


def ends(window: str) -> str:
    return total(names.SYSTEM, selector(names.RULE_COUNT + window, SYSTEMS))


def share(window: str, matchers: str) -> str:
    """The share of each code in all ends of its system."""
    return f"{selector(names.RULE_COUNT + window, matchers)} / {MANY_TO_SYSTEM} {ends(window)}"


def expected(window: str, matchers: str) -> str:
    """The expected count per system and code: baseline share × ends."""
    return f"{selector(names.RULE_SHARE, matchers)} * {MANY_TO_SYSTEM} {ends(window)}"


def of_threshold(window: str, matchers: str) -> str:
    """The count of each code as a part of its threshold."""
    count = selector(names.RULE_COUNT + window, matchers)
    return f"{count} / {selector(names.RULE_THRESHOLD + window, matchers)}"


def worst_of_threshold() -> str:
    """The largest such part in the windows of a spike."""
    parts = (
        with_label(of_threshold(window, SYSTEMS), "window", window) for window in SPIKE_WINDOWS
    )
    return f"max by ({KEYS}) (\n  " + "\n  or ".join(parts) + "\n)"


OBJECTIVE: Final = selector(names.RULE_OBJECTIVE, SYSTEMS)
"""Of each system."""


def burn_rate(ratio: str, match: str = ON_SYSTEM) -> str:
    """A failure ratio / the ratio that the system's objective allows."""
    return f"({ratio})\n/ {match} (1 - {OBJECTIVE})"


def failure_ratio(window: str) -> str:
    """The recorded failure ratio. The comparison removes NaN, the record of a time without ends."""
    return f"{selector(names.RULE_ERROR_RATIO + window, SYSTEMS)} >= 0"


def over_period(step: str, matcher: str) -> str:
    """Ends of the error budget's period, per system, in steps of a recorded window."""
    record = selector(names.RULE_COUNT_BY_OUTCOME + step, SYSTEMS, matcher)
    return total(names.SYSTEM, f"sum_over_time({record}[{PERIOD}:{step}])")


# In steps of the shortest window: a failure is visible within minutes. 0 / 0 is NaN, which a panel shows.
PERIOD_FAILURE_RATIO: Final = (
    f"{over_period('5m', FAILURE)} / ({over_period('5m', NO_NEUTRAL)} > 0)"
)
BUDGET_LEFT: Final = f"1 - {burn_rate(PERIOD_FAILURE_RATIO)}"
"""The part of the error budget that is left, per system."""
