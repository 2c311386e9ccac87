"""The PromQL of panels: recorded series where there are any, and what is made of them in a dashboard."""

from collections.abc import Iterable
from typing import Final

from exporter import names
from exporter.policy.model import Policy
from exporter.render.catalog import Signal
from exporter.render.promql import INSTANCE, PER_SYSTEM, number, quoted
from exporter.taxonomy.model import Outcome

RATE_INTERVAL: Final = "$__rate_interval"
SYSTEMS: Final = f'{names.SYSTEM}=~"$system"'
"""The chosen systems; Grafana writes several as a regular expression."""
THIS_CODE: Final = f'{SYSTEMS}, {names.CODE}="$code"'
INSTANCES: Final = f'{INSTANCE}=~"$instance"'
FAILURE: Final = f'{names.OUTCOME}="{Outcome.FAILURE.value}"'
NO_SUCCESS: Final = f'{names.OUTCOME}!="{Outcome.SUCCESS.value}"'
KEYS: Final = f"{names.SYSTEM}, {names.CODE}"
FIRING: Final = 'alertstate="firing"'
ALERTS: Final = "ALERTS"
ALERTS_SINCE: Final = "ALERTS_FOR_STATE"
"""The two series that Prometheus itself makes of alerts."""
OF_THE_PACK: Final = f'signal=~"{"|".join(Signal)}"'
"""Leaves out the alerts of somebody else's rules, which have no such signal."""
SYSTEMS_OR_NONE: Final = f'{names.SYSTEM}=~"$system|"'
"""The exporter's own alerts have no system."""


def of(metric: str, *matchers: str) -> str:
    """`metric{matchers}`; matchers are written out, with Grafana's variables in them."""
    inner = ", ".join(matchers)
    return f"{metric}{{{inner}}}" if inner else metric


def summed(by: str, expr: str) -> str:
    """`sum by (by) (expr)`."""
    return f"sum by ({by}) ({expr})"


def counted(function: str, metric: str, matchers: Iterable[str], window: str, by: str = "") -> str:
    """A range function of a counter, replicas of one ledger counted once and ledgers summed.

    `by` comes last in each list of labels: when it is a variable with nothing in it, what is left of
    the list is still PromQL.
    """
    inner = f"{function}({of(metric, *matchers)}[{window}])"
    per_instance = summed(f"{names.LEDGER}, {INSTANCE}, {by}", inner)
    return summed(by, f"max by ({names.LEDGER}, {by}) ({per_instance})")


def per_minute(metric: str, by: str, *matchers: str) -> str:
    """A counter's rate a minute, counted in the same way."""
    return f"60 * {counted('rate', metric, matchers, RATE_INTERVAL, by)}"


def of_code(metric: str, *matchers: str) -> str:
    """A recorded series of the chosen code, per system."""
    return summed(KEYS, of(metric, THIS_CODE, *matchers))


def meaning(*labels: str) -> str:
    """One row per code with labels of the taxonomy, to join with.

    Exporters of two releases may disagree about a code's name while one of them is replaced. Without
    `topk` every panel that joins then fails: "found duplicate series for the match group".
    """
    by = ", ".join((names.SYSTEM, names.CODE, *labels))
    return f"topk by ({KEYS}) (1, max by ({by}) ({of(names.SESSION_END_CODE_INFO, SYSTEMS)}))"


def with_meaning(expr: str, *labels: str) -> str:
    """A value per system and code, with labels of the taxonomy."""
    return f"({expr})\n* on ({KEYS}) group_left ({', '.join(labels)}) {meaning(*labels)}"


def titled(expr: str) -> str:
    """Adds the label `title`, such as "4001 No Worker Node Available", to what has code and name."""
    return f'label_join({expr}, "title", " ", "{names.CODE}", "{names.NAME}")'


def labelled(expr: str, name: str, value: str) -> str:
    """Adds a label with a fixed value."""
    return f'label_replace({expr}, "{name}", {quoted(value)}, "", "")'


def of_limit(policy: Policy, *matchers: str) -> str:
    """The count of each system and code as a part of its limit, in the worst of the windows that page."""
    parts = (
        labelled(
            f"{of(names.RULE_COUNT + one.window, *matchers)} / "
            f"{of(names.RULE_LIMIT + one.window, *matchers)}",
            "window",
            one.window,
        )
        for one in policy.limit.windows
    )
    return f"max by ({KEYS}) (\n  " + "\n  or ".join(parts) + "\n)"


def burn(policy: Policy, ratio: str) -> str:
    """An error ratio per system as a multiple of what the system's objective allows."""
    allowed = number(round(1 - policy.budget.objective, 9))
    own = [one.system for one in policy.budget.objectives]
    if not own:
        return f"({ratio})\n/ {allowed}"
    parts = [
        f"(({ratio}) and {_known(system)})"
        f" / {number(round(1 - policy.budget.objective_of(system), 9))}"
        for system in own
    ]
    return "\nor ".join((*parts, f"(({ratio}) unless {_known('|'.join(own))}) / {allowed}"))


def _known(systems: str) -> str:
    """Filters any expression by its system, which a matcher within it would do for a selector only."""
    matcher = f'{names.SYSTEM}=~"{systems}"'
    return f"on ({names.SYSTEM}) {of(names.SESSION_END_CODE_INFO, matcher)}"


def error_ratio(policy: Policy) -> str:
    """Failures among what counts, over the budget's period, per system.

    From the shortest window, one step after another, so that an end is in one step and a failure is
    seen within minutes; what Prometheus has kept of the period is all that can be summed.
    """
    step, period = policy.budget.windows[0].short, policy.budget.period

    def total(stem: str) -> str:
        return f"sum_over_time({of(stem + step, SYSTEMS)}[{period}:{step}])"

    # Nothing divided by nothing is NaN, which a panel shows as a number of its own.
    return f"{total(names.RULE_FAILURES)} / ({total(names.RULE_COUNTED)} > 0)"


def budget_left(policy: Policy) -> str:
    """The part of the error budget's period that is left, per system."""
    return f"1 - {burn(policy, error_ratio(policy))}"


def recorded_error_ratio(window: str) -> str:
    """The same ratio over a window that is recorded, where something ended that counts."""
    # The comparison drops NaN, which is what nothing divided by nothing records.
    return f"{of(names.RULE_ERROR_RATIO + window, SYSTEMS)} >= 0"


def share(window: str, *matchers: str) -> str:
    """The part of all of its system's ends that each code is."""
    return (
        f"{summed(KEYS, of(names.RULE_COUNT + window, *matchers))} / {PER_SYSTEM} "
        f"{of(names.RULE_ENDS + window, SYSTEMS)}"
    )


def quantile(part: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram of the exporter's own, the chosen instances together."""
    rate = f"rate({of(metric + '_bucket', INSTANCES)}[{RATE_INTERVAL}])"
    return f"histogram_quantile({number(part)}, {summed(f'le, {by}' if by else 'le', rate)})"


def own(metric: str, by: str, *matchers: str) -> str:
    """Events or requests per second; each instance counts its own, so that replicas are summed."""
    return summed(by, f"rate({of(metric, INSTANCES, *matchers)}[{RATE_INTERVAL}])")


def alerts(*matchers: str) -> str:
    """Alerts that fire, each with the Unix milliseconds at which it became true."""
    firing = of(ALERTS, FIRING, OF_THE_PACK, *matchers)
    return f"1000 * {firing}\n* ignoring (alertstate) {of(ALERTS_SINCE, OF_THE_PACK, *matchers)}"
