"""Places of outages: ends by region, and the place that the description of an alert names."""

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from exporter import names
from exporter.backtest.counters import Counters
from exporter.promql.evaluate import parse_supported
from exporter.promql.expression import selectors
from exporter.promql.rulefile import Group, Rule
from exporter.promql.run import Firing, Run
from exporter.promql.samples import Samples
from exporter.promql.value import METRIC_NAME
from exporter.simulate.history import Counts, History, Incident
from exporter.taxonomy.model import System
from tests.promql.promtool import query as evaluate

REGION: Final = "region "
"""Names of incidents of one region begin so; the region's part of all ends follows: "region 3%"."""
_OTHERS: Final = {"eu": 0.6, "us": 0.4}
"""Parts of the ends outside of the failing region `ap`."""
_ACTION: Final = re.compile(r"\{\{-? ?(.*?) ?-?\}\}")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[$.\w]+|[()|]')
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


def series_by_region(
    counters: Counters, system: System, regions: Mapping[tuple[str, str], Counts]
) -> Iterator[Samples]:
    """The exporter's series of ends by label, from the running sums of each region."""
    for (label, value), totals in regions.items():
        ends = replace(counters, totals=totals).series(system)[0]
        own = {METRIC_NAME: names.SESSION_ENDS_BY_LABEL, names.LABEL: label, names.VALUE: value}
        yield replace(
            ends, labels=tuple(tuple(sorted({**dict(row), **own}.items())) for row in ends.labels)
        )


def place_of(incident: Incident) -> str:
    return "region ap" if incident.name.startswith(REGION) else ""


def place_metrics(groups: Iterable[Group]) -> frozenset[str]:
    queries = (query for group in groups for rule in group.rules for query in _queries(rule, {}))
    trees = map(parse_supported, queries)
    return frozenset(
        selector.name for tree in trees for selector in selectors(tree) if selector.name
    )


def named_place(run: Run, firing: Firing) -> str:
    """The first label and value that a query of the description returns, or ""."""
    for query in _queries(firing.rule, firing.labels):
        result = evaluate(run, query, [firing.start + _WAIT])
        for row, present in zip(map(dict, result.labels), result.present[:, 0], strict=True):
            if present and "value" in row:
                return f"{row['label']} {row['value']}"
    return ""


def _queries(rule: Rule, labels: Mapping[str, str]) -> Iterator[str]:
    """The queries of the description, except those about the alert itself or the results of other queries."""
    known: dict[str, str] = defaultdict(str)
    known |= {f"$labels.{name}": value for name, value in labels.items()}
    variables: dict[str, str] = {}
    for action in _ACTION.findall(rule.annotations.get("description", "")):
        *assigned, expression = action.split(" := ")
        tokens = deque(_TOKEN.findall(expression.removeprefix("with ")))
        is_query = [*tokens][-2:] == ["|", "query"]
        if not (is_query or assigned):
            continue
        try:
            text = _text(tokens, known, variables)
        except LookupError:
            continue
        if not is_query:
            variables[assigned[0]] = text
        elif "ALERTS" not in text:
            # exporter.promql has no functions that only sort.
            yield text.replace("sort_desc", "")


def _text(tokens: deque[str], labels: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """The text of a pipeline of Go's template, until its end or closing bracket; `query` changes nothing."""
    words: list[str] = []
    piped: list[str] = []
    while tokens and (token := tokens.popleft()) != ")":
        if token == "|":
            words, piped = [], [_printed([*words, *piped])]
        elif token == "(":
            words.append(_text(tokens, labels, variables))
        elif token.startswith('"'):
            words.append(json.loads(token))
        elif token == "printf":
            words.append(token)
        elif token != "query":
            words.append(labels[token] if token.startswith("$labels.") else variables[token])
    return _printed([*words, *piped])


def _printed(words: Sequence[str]) -> str:
    """The text itself, or Go's `printf` of a format and its arguments."""
    if words[0] != "printf":
        return words[0]
    values = iter(words[2:])

    def value(match: re.Match[str]) -> str:
        text = words[int(match[1]) + 1] if match[1] else next(values)
        return json.dumps(text) if match[2] == "q" else text

    return re.sub(r"%(?:\[(\d)\])?([qs])", value, words[1])
