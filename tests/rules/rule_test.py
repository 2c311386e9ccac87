"""Cases for rules: input series, and the alerts and values that the rules must produce.

promtool runs the cases that expect annotations. exporter.promql runs all others, because it is a hundred
times faster; tests/promql compares it with promtool.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from exporter import names
from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.taxonomy.model import Code
from tests.programs import output
from tests.promql.promtool import at_interval, query
from tests.rule_groups import RULES, groups, keep_alerts
from tests.rules.series import (
    CODES,
    DASHBOARDS,
    RUNBOOKS,
    STALE,
    code_texts,
    expanded,
    parsed,
    scraped,
)

BASELINE = "baseline.yml"
SESSION_ENDS = "session-ends.yml"
EXPORTER = "exporter.yml"


def firing(alert: str) -> str:
    return f'ALERTS{{alertname="{alert}", alertstate="firing"}}'


@dataclass
class Case:
    """Input series with a sample per `every` minutes, and expectations. Times are minutes.

    The texts of the codes in `inputs` are added; `codes` has codes that are in no shipped taxonomy.
    """

    inputs: dict[str, str]
    every: float = 1
    codes: Mapping[tuple[str, str], Code] = field(default_factory=dict)
    alerts: dict[tuple[float, str], list[dict[str, Any]]] = field(default_factory=dict)
    queries: list[tuple[float, str, Mapping[str, float]]] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        return self.every * (max(len(expanded(values)) for values in self.inputs.values()) - 1)

    def fires_with(
        self, at: float, alert: str, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        """Expect an alert with texts. promtool compares all alerts at a time, so expect all of them."""
        expected = {"exp_labels": dict(labels), "exp_annotations": dict(annotations)}
        self.alerts.setdefault((at, alert), []).append(expected)

    def fires(self, at: float, alert: str, expected: bool = True) -> None:
        self.query(at, f"count({firing(alert)})", {"{}": 1} if expected else {})

    def silent(self, at: float, alert: str) -> None:
        self.fires(at, alert, expected=False)

    def fires_between(self, first: float, last: float, alert: str, expected: bool) -> None:
        span = f"{round(60 * (last - first))}s"
        expr = f"count(count_over_time({firing(alert)}[{span}]))"
        self.query(last, expr, {"{}": 1} if expected else {})

    def never_fires(self, alert: str) -> None:
        self.fires_between(-1, self.minutes, alert, expected=False)

    def query(self, at: float, expr: str, expected: Mapping[str, float]) -> None:
        self.queries.append((at, expr, expected))

    def all_inputs(self) -> dict[str, str]:
        """The inputs, and texts, links and objectives with one sample per 50 minutes: promtool stops a query
        at 10,000 samples."""
        known = {**CODES, **self.codes}
        counted = [
            known[match[1], match[2]]
            for name in self.inputs
            if (match := re.match(r'session_ends_total\{system="(.*?)", code="(.*?)"', name))
        ]
        gap = max(1, round(50 / self.every))

        def constant(value: str) -> str:
            sample = f"{value} _x{gap - 1}" if gap > 1 else value
            return " ".join([sample] * (int(self.minutes / self.every) // gap + 1))

        links = scraped(names.LINKS_INFO, runbooks=RUNBOOKS, dashboards=DASHBOARDS)
        texts = [links, *(name for code in counted for name in code_texts(code))]
        inputs = dict.fromkeys(texts, constant("1"))
        for system in {code.system for code in counted}:
            inputs[scraped(names.SESSION_END_OBJECTIVE, system=system)] = constant("0.995")
        return inputs | self.inputs

    def document(self) -> dict[str, Any]:
        """The case as promtool reads it."""
        return {
            "interval": _duration(self.every),
            "input_series": [
                {"series": name, "values": values} for name, values in self.all_inputs().items()
            ],
            "alert_rule_test": [
                {"eval_time": _duration(at), "alertname": alert, "exp_alerts": expected}
                for (at, alert), expected in self.alerts.items()
            ],
            "promql_expr_test": [
                {
                    "eval_time": _duration(at),
                    "expr": expr,
                    "exp_samples": [
                        {"labels": labels, "value": value} for labels, value in expected.items()
                    ],
                }
                for at, expr, expected in self.queries
            ],
        }


@dataclass(frozen=True)
class RuleSet:
    """The alerts that a test needs, and the records that they read, evaluated every `step` minutes.

    With `step` None, each group has its own interval; promtool has one interval for all groups.

    Without `alerts` it has all rules of the files, for which promtool needs 30 ms per step.
    """

    alerts: tuple[str, ...] = ()
    files: tuple[str, ...] = (SESSION_ENDS, EXPORTER)
    step: float | None = 1

    def check(self, folder: Path, *cases: Case, session_ends: str = "") -> None:
        """Fails with all differences between the rules and the cases; `session_ends` replaces a rule file."""
        shipped = groups()
        if session_ends:
            shipped[SESSION_ENDS] = yaml.load(session_ends, yaml.CSafeLoader)["groups"]
        chosen = {file: shipped[file] for file in self.files}
        if self.alerts:
            inputs = {name.partition("{")[0] for case in cases for name in case.inputs}
            keep_alerts(self.alerts, chosen, inputs)
        paths = [folder / file for file in chosen]
        for path in paths:
            path.write_text(_yaml({"groups": chosen[path.name]}))
        # exporter.promql has no quantiles of histograms.
        needs_promtool = any("histogram_quantile" in path.read_text() for path in paths)
        for case in cases:
            if not (case.alerts or needs_promtool):
                assert _evaluated(case, paths, self.step) == []
        if tests := [case.document() for case in cases if case.alerts or needs_promtool]:
            assert self.step, "promtool has one interval for all groups"
            names = [group["name"] for part in chosen.values() for group in part]
            _promtool(folder / "test.yml", paths, names, self.step, tests)


def without(clause: str, instead: str = "", rules: str = "") -> str:
    """The text of session-ends.yml, or of `rules`, in which the clause is replaced."""
    text = rules or (RULES / SESSION_ENDS).read_text()
    assert clause in text, clause
    return text.replace(clause, instead)


def _yaml(document: object) -> str:
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000_000)


def _duration(minutes: float) -> str:
    return f"{round(60 * minutes)}s"


def _promtool(
    path: Path,
    rules: Sequence[Path],
    groups: Sequence[str],
    step: float,
    tests: list[dict[str, Any]],
) -> None:
    document = {
        "rule_files": [str(path) for path in rules],
        "evaluation_interval": _duration(step),
        "group_eval_order": list(groups),
        "tests": tests,
    }
    path.write_text(_yaml(document))
    output("promtool", "test", "rules", path)


def _evaluated(case: Case, rules: Sequence[Path], step: float | None) -> list[str]:
    """Differences between the case's queries and their results in exporter.promql."""
    last = 60 * max(at for at, *_ in case.queries)
    groups = load(rules) if step is None else at_interval(load(rules), 60 * step)
    run = Run(groups, _samples(case), 0.0, last, keep=True)
    differences: list[str] = []
    for at, expr, expected in case.queries:
        vector = query(run, expr, [60 * at])
        values = {
            row: float(vector.values[place, 0])
            for place, row in enumerate(vector.labels)
            if vector.present[place, 0]
        }
        wanted = {parsed(labels): value for labels, value in expected.items()}
        if values.keys() != wanted.keys() or not all(
            math.isclose(values[key], value, rel_tol=1e-9) for key, value in wanted.items()
        ):
            differences.append(f"{at} min: {expr}: {values}, expected {wanted}")
    return differences


def _samples(case: Case) -> list[Samples]:
    result = []
    for name, text in case.all_inputs().items():
        values = np.array(expanded(text))
        times = np.arange(len(values), dtype=np.int64) * round(60_000 * case.every)
        known = ~np.isnan(values)
        present = values[known] != STALE
        if known.any():
            row = (parsed(name),)
            result.append(Samples(times[known], row, values[None, known], present[None]))
    return result
