"""Burn rates of the error budget, per system and window."""

from collections.abc import Iterator
from typing import Final

from exporter import names
from exporter.policy.model import Policy
from exporter.render.counts import budget_windows
from exporter.render.promql import number, of_system
from exporter.render.rule import Rule
from exporter.taxonomy.model import Outcome

_FAILURE: Final = f'{names.OUTCOME}="{Outcome.FAILURE.value}"'
_NOT_NEUTRAL: Final = f'{names.OUTCOME}!="{Outcome.NEUTRAL.value}"'


def error_ratios(policy: Policy) -> Iterator[Rule]:
    """Failures, what counts, and their ratio.

    Windows longer than `base` are summed from it: three days of samples every minute cost more than
    all other rules together.
    """
    budget = policy.budget
    for window in budget_windows(policy):
        failures, counted = names.RULE_FAILURES + window, names.RULE_COUNTED + window
        if window.seconds <= budget.base.seconds:
            yield Rule(record=failures, expr=of_system(names.RULE_COUNT + window, _FAILURE))
            yield Rule(record=counted, expr=of_system(names.RULE_COUNT + window, _NOT_NEUTRAL))
        else:
            # Each end is in as many of base's samples as base has evaluations; no extrapolation, which
            # on the first day would make a handful of failures many.
            samples = number(budget.base.seconds / policy.intervals.budget.seconds)
            for record, stem in (
                (failures, names.RULE_FAILURES),
                (counted, names.RULE_COUNTED),
            ):
                total = f"sum_over_time({stem}{budget.base}[{window}])"
                yield Rule(record=record, expr=f"{total} / {samples}")
        yield Rule(record=names.RULE_ERROR_RATIO + window, expr=f"{failures} / {counted}")
