"""PromQL of the panels: selectors with Grafana's variables, joins with code info, counts of replicas.

Series may have the label `cluster`. Tables and totals add clusters up; a graph that compares a count with its
threshold has a line for each cluster, because each cluster has its own alerts.
"""

from collections.abc import Iterable
from typing import Any, Final

from exporter import names

RATE_INTERVAL: Final = "$__rate_interval"
CLUSTER: Final = "cluster"
INSTANCE: Final = "instance"
INSTANCE_KEYS: Final = f"{CLUSTER}, {INSTANCE}"
COPIES: Final = "job, replica, prometheus_replica"
"""Labels that differ between copies of a series: scraped by two jobs, or by two Prometheus servers."""
SYSTEMS: Final = f'{names.SYSTEM}=~"$system"'
"""The selected systems; Grafana writes several as a regular expression."""
ONE_CODE: Final = f'{names.CODE}="$code"'
THIS_CODE: Final = f"{SYSTEMS}, {ONE_CODE}"
INSTANCES: Final = f'{INSTANCE}=~"$instance"'
SYSTEMS_OR_NONE: Final = f'{names.SYSTEM}=~"$system|"'
"""The alerts about the exporter have no system."""
FAILURE: Final = f'{names.OUTCOME}="failure"'
NO_SUCCESS: Final = f'{names.OUTCOME}!="success"'
NO_NEUTRAL: Final = f'{names.OUTCOME}!="neutral"'
KEYS: Final = f"{names.SYSTEM}, {names.CODE}"
ON_SYSTEM: Final = f"on ({names.SYSTEM}) group_left ()"
SYSTEM_KEYS: Final = f"{CLUSTER}, {names.SYSTEM}"

SHIPPED: Final = 'signal=~"spike|overrun|elevated|new|stopped|queue|budget|exporter"'
"""Leaves out the watchdog, and the alerts of other rule files."""

SPIKE_WINDOWS: Final = ("5m", "15m", "1h")
REPEATS: Final = "repeats of one user within 15 minutes"
"""Recorded counts leave them out. Panels that read the counters include them, and say so."""
PERIOD: Final = "30d"
"""The period of the error budget. It is shorter where Prometheus keeps samples for a shorter time."""


Query = dict[str, Any]
"""A query of a panel."""


def series(expr: str, legend: str, **more: bool) -> Query:
    """A query over the time range. `exemplar` asks for example sessions, which only counters have."""
    return {"expr": expr, "legendFormat": legend, **more}


def latest(expr: str, legend: str) -> Query:
    """A query of the end of the time range."""
    return series(expr, legend, instant=True)


def rows(expr: str) -> Query:
    """A query of a table."""
    return latest(expr, "__auto") | {"format": "table"}


def selector(metric: str, *matchers: str) -> str:
    """`metric{matchers}`; matchers are written out, with Grafana's variables in them."""
    return f"{metric}{{{', '.join(matchers)}}}"


def firing(*matchers: str) -> str:
    return selector("ALERTS", 'alertstate="firing"', *matchers)


def total(by: str, expr: str) -> str:
    return f"sum by ({by}) ({expr})"


def legend(labels: str) -> str:
    """Names a series after its values of the labels, such as "cluster, instance"."""
    return " ".join(f"{{{{{label}}}}}" for label in labels.split(", "))


def with_label(expr: str, name: str, value: str, source: str = "", pattern: str = "") -> str:
    """Sets a label where the label `source` matches `pattern`; without both, everywhere."""
    return f'label_replace({expr}, "{name}", "{value}", "{source}", "{pattern}")'


# --- counters ------------------------------------------------------------------------------------------


def counted(function: str, metric: str, matchers: Iterable[str], window: str, by: str) -> str:
    """A range function of a counter of the ledger. Replicas of one ledger count once; ledgers are summed."""
    inner = f"{function}({selector(metric, *matchers)}[{window}])"
    scraped = total(f"{INSTANCE_KEYS}, {COPIES}, {names.LEDGER}, {by}", inner)
    return total(by, f"max by ({CLUSTER}, {names.LEDGER}, {by}) ({scraped})")


def exporter_gauge(metric: str, suffix: str = "") -> Query:
    gauge = f"max by ({INSTANCE_KEYS}) ({selector(metric, INSTANCES)})"
    return series(gauge, legend(INSTANCE_KEYS) + suffix)


def exporter_rate(metric: str, by: str = INSTANCE_KEYS, suffix: str = "") -> Query:
    """The rate per second of an exporter's own counter: replicas are summed."""
    rate = f"rate({selector(metric, INSTANCES)}[{RATE_INTERVAL}])"
    return series(total(by, f"max without ({COPIES}) ({rate})"), legend(by) + suffix)


def exporter_quantiles(metric: str, *quantiles: float) -> list[Query]:
    rate = f"rate({selector(metric + '_bucket', INSTANCES)}[{RATE_INTERVAL}])"
    buckets = f"max by (le, {INSTANCE_KEYS}) ({total(f'le, {INSTANCE_KEYS}, {COPIES}', rate)})"
    return [
        series(
            f"histogram_quantile({part}, {buckets})", f"{legend(INSTANCE_KEYS)} p{100 * part:.0f}"
        )
        for part in quantiles
    ]


# --- recorded series -----------------------------------------------------------------------------------


def newest(record: str, *matchers: str) -> str:
    """The texts of each code. Clusters may run releases with different texts; a join needs a single row."""
    return f"topk by ({KEYS}) (1, {selector(record, SYSTEMS, *matchers)})"


def code_info(*matchers: str) -> str:
    """A series per code, with its name, phase, category, outcome, owner and severity as labels."""
    return newest(names.RULE_CODE_INFO, *matchers)


def with_info(expr: str, labels: Iterable[str], *matchers: str) -> str:
    """The series of codes whose info matches, with labels of the code info."""
    return f"({expr})\n* on ({KEYS}) group_left ({', '.join(labels)}) {code_info(*matchers)}"


def matching(expr: str, matcher: str) -> str:
    """The series of codes whose info matches."""
    return f"{expr}\nand on ({KEYS}) {code_info(matcher)}"


def with_title(expr: str, *more: str) -> str:
    """Adds the label `title`: code, name and the labels `more`."""
    labels = '", "'.join((names.CODE, names.NAME, *more))
    return f'label_join({expr}, "title", " ", "{labels}")'


def count(window: str, matchers: str = SYSTEMS) -> str:
    return total(KEYS, selector(names.RULE_COUNT + window, matchers))


def ends(window: str, by: str = names.SYSTEM) -> str:
    return total(by, selector(names.RULE_COUNT + window, SYSTEMS))


def share(window: str) -> str:
    """The share of the code in all ends of its system, in each cluster; nothing while there are none."""
    record = selector(names.RULE_COUNT + window, THIS_CODE)
    return f"{record} / on ({SYSTEM_KEYS}) group_left () ({ends(window, SYSTEM_KEYS)} > 0)"


def expected(window: str, matchers: str = THIS_CODE) -> str:
    """The expected count, in each cluster: baseline share × ends."""
    baseline = selector(names.RULE_SHARE, matchers)
    return f"{baseline} * on ({SYSTEM_KEYS}) group_left () {ends(window, SYSTEM_KEYS)}"


def of_threshold(window: str, matchers: str) -> str:
    """The count of each code as a part of its threshold, in each cluster."""
    record = selector(names.RULE_COUNT + window, matchers)
    return f"{record} / {selector(names.RULE_THRESHOLD + window, matchers)}"


_PARTS: Final = (with_label(of_threshold(size, SYSTEMS), "window", size) for size in SPIKE_WINDOWS)
WORST_OF_THRESHOLD: Final = f"max by ({KEYS}) (\n  " + "\n  or ".join(_PARTS) + "\n)"
"""The count as a part of its threshold, the largest of all spike windows and clusters."""
OBJECTIVE: Final = f"max by ({names.SYSTEM}) ({selector(names.RULE_OBJECTIVE, SYSTEMS)})"
ALLOWED: Final = f"{ON_SYSTEM} (1 - {OBJECTIVE})"
"""The failure ratio that the system's objective allows, as the right side of an operator."""


def failure_ratio(window: str) -> str:
    """The recorded failure ratio. The comparison removes NaN, the record of a time without ends."""
    return f"({selector(names.RULE_ERROR_RATIO + window, SYSTEMS)} >= 0)"


def over_period(step: str, matcher: str) -> str:
    """Ends of the error budget's period, per system, in steps of a recorded window."""
    record = selector(names.RULE_COUNT_BY_OUTCOME + step, SYSTEMS, matcher)
    return total(names.SYSTEM, f"sum_over_time({record}[{PERIOD}:{step}])")


# In steps of the shortest window: a failure is visible within minutes. 0 / 0 is NaN, which a panel shows.
PERIOD_FAILURE_RATIO: Final = (
    f"({over_period('5m', FAILURE)} / ({over_period('5m', NO_NEUTRAL)} > 0))"
)
BUDGET_LEFT: Final = f"1 - {PERIOD_FAILURE_RATIO} / {ALLOWED}"
