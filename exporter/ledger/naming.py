"""The name that a series is kept under, in whatever store: it says its labels' names.

So it can be read under other settings: labels that are no longer configured are dropped, new ones are empty.
"""

import json
from collections.abc import Sequence

from exporter.ledger.contract import Family, Series


def name_of(series: Series, label_names: Sequence[str]) -> str:
    labels = zip(label_names, series.labels, strict=True)
    parts = {
        "family": series.family.value,
        "system": series.system,
        "code": series.code,
        "phase": series.phase,
        "category": series.category,
        "outcome": series.outcome,
        "labels": {label: value for label, value in labels if value},
    }
    return json.dumps(parts, sort_keys=True)


def series_of(name: str | bytes, label_names: Sequence[str]) -> Series:
    """The series of a name. Raises `ValueError`, `KeyError` or `TypeError` for what is no name."""
    parts = json.loads(name)
    named = parts.pop("labels")
    labels = tuple(named.get(label, "") for label in label_names)
    return Series(family=Family(parts.pop("family")), labels=labels, **parts)
