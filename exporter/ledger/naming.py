"""Names of series in a store. They contain the names of labels, so the configured labels may change."""

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache

from exporter.ledger.contract import Family, Series

_FIELDS = [field.name for field in fields(Series) if field.name not in {"labels", "key"}]


@cache
def name_of(series: Series, label_names: tuple[str, ...]) -> str:
    labels = zip(label_names, series.labels, strict=True)
    parts: dict[str, object] = {name: getattr(series, name) for name in _FIELDS}
    parts["labels"] = {label: value for label, value in labels if value}
    return json.dumps(parts, sort_keys=True)


def series_of(name: str | bytes, label_names: Sequence[str]) -> Series | None:
    """The series of a name; a label that the name lacks is empty, and other labels are ignored.

    None for a name of another version of the program.
    """
    try:
        parts = json.loads(name)
        labels = parts.pop("labels")
        values = tuple(labels.get(label, "") for label in label_names)
        return Series(family=Family(parts.pop("family")), labels=values, **parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
