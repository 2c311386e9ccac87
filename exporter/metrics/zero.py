"""The series that exist before the first event: Prometheus must see a 0 to see the first increase.

The ledger's opener registers them, so that their `created` is as durable as their counts; the
collector then shows totals and nothing else.
"""

from collections.abc import Sequence

from exporter.ledger.contract import OF_SESSIONS, Series
from exporter.taxonomy.model import Outcome, Taxonomy


def zero_series(taxonomy: Taxonomy, label_names: Sequence[str]) -> list[Series]:
    """One series for each counter and (system, code), `unknown` included, in the taxonomies' order.

    Configured labels have the value "", which to Prometheus is a label that is not there: no value
    of them is known before an event brings one.
    """
    labels = ("",) * len(label_names)
    return [
        Series(family, name, code.code, code.phase, code.category, code.outcome.value, labels)
        for family in OF_SESSIONS
        for name, system in taxonomy.systems.items()
        for code in (*system.codes, system.unknown)
    ]


def zero_durations(taxonomy: Taxonomy) -> list[tuple[str, str]]:
    """The (system, outcome) pairs that the taxonomies' codes can have, in the taxonomies' order."""
    return [
        (name, outcome.value)
        for name, system in taxonomy.systems.items()
        for outcome in Outcome
        if outcome in {code.outcome for code in (*system.codes, system.unknown)}
    ]
