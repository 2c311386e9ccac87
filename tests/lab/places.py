"""Where an outage is: ends by region, and the place that an alert's description names."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from exporter.promql.evaluate import parse_supported
from exporter.promql.expression import selectors
from exporter.promql.rulefile import Group, Rule
from exporter.promql.run import Firing, Run
from exporter.simulate.history import Counts, History, Incident

REGION: Final = "region "
"""Names of incidents of one region begin so; the region's part of all ends follows: "region 3%"."""
_OTHERS: Final = {"eu": 0.6, "us": 0.4}
"""Parts of the ends outside of the failing region `ap`."""
_QUERY: Final = re.compile(r'printf "((?:[^"\\]|\\.)*)" ((?:\$labels\.\w+ ?)+)\| query')
_WAIT: Final = 40.0
"""Seconds from an alert to its notification: Alertmanager's group_wait."""


def by_region(history: History) -> dict[tuple[str, str], Counts]:
    """(bins, codes) for each region. In an outage of `ap` all its sessions end with the outage's code."""
    random = np.random.default_rng(int(history.ends.sum()))
    outages = [item for item in history.incidents if item.name.startswith(REGION)]
    parts = [float(item.name.removeprefix(REGION).rstrip("%")) / 100 for item in outages]
    failing = random.binomial(history.ends, parts[0] if parts else 1 / 3)
    for outage in outages:
        bins = history.bins(outage.start, outage.end)
        failing[bins] = 0
        column = history.codes.index(outage.codes[0])
        failing[bins, column] = history.ends[bins, column]
    rest = history.ends - failing
    eu = random.binomial(rest, _OTHERS["eu"])
    return {("region", "ap"): failing, ("region", "eu"): eu, ("region", "us"): rest - eu}


def place_of(incident: Incident) -> str:
    """What a description should name."""
    return "region ap" if incident.name.startswith(REGION) else ""


def place_metrics(groups: Iterable[Group]) -> frozenset[str]:
    """The metrics that descriptions of alerts query."""
    queries = (query for group in groups for rule in group.rules for query in _queries(rule, {}))
    trees = map(parse_supported, queries)
    return frozenset(
        selector.name for tree in trees for selector in selectors(tree) if selector.name
    )


def named_place(run: Run, firing: Firing) -> str:
    """The first label and value that a query of the description returns; "" without any."""
    for query in _queries(firing.rule, firing.labels):
        result = run.query(query, [firing.start + _WAIT])
        for row, present in zip(map(dict, result.labels), result.present[:, 0], strict=True):
            if present and "value" in row:
                return f"{row['label']} {row['value']}"
    return ""


def _queries(rule: Rule, labels: Mapping[str, str]) -> Iterator[str]:
    """The queries of the description, but for those about the alert itself."""
    for query, names in _QUERY.findall(rule.annotations.get("description", "")):
        given = (labels.get(name, "") for name in names.replace("$labels.", "").split())
        values = map(json.dumps, given)
        if "ALERTS" not in query:
            yield re.sub("%q", lambda _, values=values: next(values), query)
