"""The rule files: promtool accepts them, and alerts, runbooks and cases have the same names."""

import re
import subprocess
from collections.abc import Iterator

import yaml

from exporter import names
from exporter.rule_files import alerts
from tests.rules import code_cases, exporter_cases, queue_cases, system_cases
from tests.rules.promtool import RULES, TAXONOMY, Run

FILES = sorted(RULES.glob("*.yml"))
GROUPS = [group for path in FILES for group in yaml.safe_load(path.read_text())["groups"]]
MOST_RULES = 20
"""Of a group: the default limit of Mimir."""


def runs() -> Iterator[Run]:
    """What the tests of every code, of every system and of the exporter's own alerts run."""
    for system in TAXONOMY.systems:
        yield code_cases.spikes(system)
        if code_cases.planned(system):
            yield code_cases.overruns(system)
        yield code_cases.elevations(system)
        yield code_cases.firsts(system)
        yield system_cases.stops(system)
        yield system_cases.burns(system)
    yield queue_cases.grows()
    for alert in exporter_cases.TROUBLES:
        yield exporter_cases.run_of(alert)


def test_every_alert_has_its_case_and_its_runbook_and_there_are_no_others() -> None:
    named = [alert.name for alert in alerts()]
    assert {name for run in runs() for name in run.fired} == set(named)
    assert {path.stem for path in (RULES / "runbooks" / "alerts").iterdir()} == set(named)
    assert len(set(named)) == len(named)


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", *map(str, FILES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_groups_are_small_enough_for_every_ruler_and_rules_few() -> None:
    assert {
        group["name"]: len(group["rules"]) for group in GROUPS if len(group["rules"]) > MOST_RULES
    } == {}
    assert sum(len(group["rules"]) for group in GROUPS) <= 120


def test_no_alert_is_more_than_three_records_of_its_group_away_from_the_counters() -> None:
    """A ruler that shows a record one evaluation late would page four evaluations late."""
    for group in GROUPS:
        depth: dict[str, int] = {}
        for rule in group["rules"]:
            read = [depth[name] for name in depth if name in rule["expr"]]
            if "record" in rule:
                depth[rule["record"]] = 1 + max(read, default=0)
        assert max(depth.values(), default=0) <= 3, (group["name"], depth)


def test_rules_name_no_code_and_no_system() -> None:
    """Words come from the exporter: a new platform changes nothing in the rules."""
    text = "".join(str(rule["expr"]) for group in GROUPS for rule in group["rules"])
    for system in TAXONOMY.systems.values():
        assert system.system not in text
    assert re.findall(r"\b(?:code|system)=", text) == []


def test_every_record_that_the_program_reads_is_recorded() -> None:
    recorded = {rule["record"] for group in GROUPS for rule in group["rules"] if "record" in rule}
    stems = {value for name, value in vars(names).items() if name.startswith("RULE_")}
    assert [stem for stem in stems if not any(name.startswith(stem) for name in recorded)] == []
