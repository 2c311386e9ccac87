"""Runs of `promtool test rules`: tests say which series come in and which alerts must be there.

promtool evaluates every group at every step, whatever its interval, and stops a query at 10,000
samples, so long baselines are fed as inputs.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter import names
from exporter.taxonomy.loader import load as load_taxonomy
from exporter.taxonomy.model import Code
from tests.rules import evaluated

RULES = Path(__file__).parents[2] / "rules"
BASELINE = "baseline.yml"
SESSION_ENDS = "session-ends.yml"
EXPORTER = "exporter.yml"
WORDS_GROUP = "session-ends-words"
WINDOWS_GROUP = "session-ends-windows"
BUDGET_GROUP = "session-ends-budget"
LONG_GROUP = "session-ends-long"
SNAPSHOTS_GROUP = "session-ends-snapshots"
RUNBOOKS = "http://127.0.0.1:10401"
DASHBOARDS = "http://127.0.0.1:3000"

TAXONOMY = load_taxonomy()
CODES = {
    (name, code.code): code
    for name, system in TAXONOMY.systems.items()
    for code in (*system.codes, system.unknown)
}


def series(metric: str, labels: Mapping[str, str]) -> str:
    inner = ", ".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{metric}{{{inner}}}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def words(code: Code, instance: str = "exporter:1") -> list[str]:
    """What the exporter says of a code beside its count."""
    target = {"job": "session-end-exporter", "instance": instance}
    of_code = {"system": code.system, "code": code.code}
    info = {
        "name": code.name,
        "phase": code.phase,
        "category": code.category,
        "outcome": code.outcome.value,
        "owner": code.owner.value,
        "severity": code.severity.value,
        "planned": "true" if code.planned else "false",
    }
    return [
        series(names.SESSION_END_CODE_INFO, of_code | info | target),
        series(
            names.SESSION_END_CODE_HELP,
            of_code | {"causes": code.causes, "fix": code.fix} | target,
        ),
    ]


def ends(code: Code, ledger: str = "a", instance: str = "exporter:1", **more: str) -> str:
    """The exporter's counter of one code, as Prometheus has it."""
    return series(
        names.SESSION_ENDS,
        {
            "system": code.system,
            "code": code.code,
            "phase": code.phase,
            "category": code.category,
            "outcome": code.outcome.value,
            "ledger": ledger,
            "instance": instance,
            "job": "session-end-exporter",
            **more,
        },
    )


def share(code: Code) -> str:
    """The baseline's result, for tests that feed it."""
    return series(names.RULE_SHARE, {"system": code.system, "code": code.code})


def counted(steps: Iterable[float]) -> str:
    """A counter's values from 0, `steps` being its increases."""
    total, values = 0.0, ["0"]
    for step in steps:
        total += step
        values.append(f"{total:.9g}")
    return " ".join(values)


def without(folder: Path, *clauses: str, instead: str = "") -> Path:
    """The rules in a new folder, each clause replaced: what a test is true because of."""
    rules = folder / "without"
    rules.mkdir()
    for path in RULES.glob("*.yml"):
        (rules / path.name).write_text(path.read_text())
    for clause in clauses:
        whole = (rules / SESSION_ENDS).read_text()
        assert whole.count(clause) == 1, clause
        (rules / SESSION_ENDS).write_text(whole.replace(clause, instead))
    return rules


@dataclass
class Case:
    """One test of promtool's; times are durations from the first sample.

    The exporter's words of every code in `inputs` are inputs too; `codes` are the codes that no taxonomy
    of ours has.
    """

    interval: str
    inputs: dict[str, str]
    codes: Mapping[tuple[str, str], Code] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)

    def silent(self, at: str, *alerts: str) -> None:
        self.alerts += [
            {"eval_time": at, "alertname": alert, "exp_alerts": []}
            for alert in dict.fromkeys(alerts)
        ]

    def firing(
        self, at: str, alert: str, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        """The alert with these labels, beside those of earlier calls with the same time and name."""
        expected = {"exp_labels": dict(labels), "exp_annotations": dict(annotations)}
        for test in self.alerts:
            if (test["eval_time"], test["alertname"]) == (at, alert):
                test["exp_alerts"].append(expected)
                return
        self.alerts.append({"eval_time": at, "alertname": alert, "exp_alerts": [expected]})

    @property
    def fired(self) -> set[str]:
        """The alerts that must fire, with their labels and annotations, at some time."""
        return {one["alertname"] for one in self.alerts if one["exp_alerts"]}

    def query(self, at: str, expr: str, expected: Mapping[str, float]) -> None:
        samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
        self.queries.append({"eval_time": at, "expr": expr, "exp_samples": samples})

    def document(self) -> dict[str, Any]:
        inputs = self._words() | self.inputs
        return {
            "interval": self.interval,
            "input_series": [{"series": name, "values": values} for name, values in inputs.items()],
            "alert_rule_test": self.alerts,
            "promql_expr_test": self.queries,
        }

    def _words(self) -> dict[str, str]:
        """The words of all codes that are counted, sampled every 50 minutes: promtool's limit of samples."""
        known = {**CODES, **self.codes}
        counted_codes = [
            known[found[1], found[2]]
            for name in self.inputs
            if (found := re.match(r'session_ends_total\{system="(.*?)", code="(.*?)"', name))
        ]
        every = max(1, 3000 // _seconds(self.interval))
        steps = max((len(expanded(values)) for values in self.inputs.values()), default=0)
        values = " ".join([f"1 _x{every - 1}" if every > 1 else "1"] * (steps // every + 1))
        target = {"job": "session-end-exporter", "instance": "exporter:1"}
        links = {"runbooks": RUNBOOKS, "dashboards": DASHBOARDS}
        made = {name: values for code in counted_codes for name in words(code)}
        made[series(names.LINKS_INFO, links | target)] = values
        for system in {code.system for code in counted_codes}:
            objective = series(names.SESSION_END_OBJECTIVE, {"system": system} | target)
            made[objective] = values.replace("1", "0.995", 1).replace(" 1", " 0.995")
        return made


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


def expanded(values: str) -> list[str]:
    """promtool's shorthand written out, for its length."""
    out: list[str] = []
    for item in values.split():
        repeated = re.fullmatch(r"(.+?)x(\d+)", item)
        out += [item] * (int(repeated[2]) + 1 if repeated else 1)
    return out


@dataclass(frozen=True)
class Run:
    """Cases with what they are run against: the arguments of `run`."""

    files: tuple[str, ...]
    cases: tuple[Case, ...]
    only: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    step: str = "1m"

    def verdict(self, folder: Path, rules: Path = RULES) -> str:
        return run(
            folder,
            self.files,
            *self.cases,
            step=self.step,
            only=self.only,
            records=self.records,
            rules=rules,
        )

    @property
    def fired(self) -> set[str]:
        return {alert for case in self.cases for alert in case.fired}


def run(
    folder: Path,
    files: Sequence[str],
    *cases: Case,
    step: str = "1m",
    only: Sequence[str] = (),
    records: Sequence[str] = (),
    rules: Path = RULES,
) -> str:
    """What differs from the cases; empty when nothing does.

    promtool evaluates cases that expect an alert with its annotations, exporter.promql all others.

    `only` and `records` leave groups and recording rules out that a test does not need: a step of all
    takes some 30 ms.
    """
    groups, paths = [], []
    for file in files:
        document = yaml.safe_load((rules / file).read_text())
        chosen = [one for one in document["groups"] if not only or one["name"] in only]
        groups += [one["name"] for one in chosen]
        for one in chosen:
            kept = [r for r in one["rules"] if not records or r.get("record", "") in ("", *records)]
            one["rules"] = kept
        paths.append(folder / file)
        paths[-1].write_text(yaml.safe_dump({"groups": chosen}, width=1_000_000))

    def said(number: int) -> str:
        case = cases[number]
        if not case.fired:
            return evaluated.differences(case, paths, groups, step)
        path = folder / f"test-{number}.yml"
        path.write_text(
            yaml.safe_dump(
                {
                    "rule_files": [str(path) for path in paths],
                    "evaluation_interval": step,
                    "group_eval_order": groups,
                    "tests": [case.document()],
                },
                sort_keys=False,
                width=1_000_000,
            )
        )
        done = subprocess.run(
            ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    # A promtool a case: promtool takes its cases in turn, on one core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return "".join(pool.map(said, range(len(cases))))
