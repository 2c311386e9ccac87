"""The rule files: promtool has nothing to say, and alerts, runbooks and cases have the same names."""

import re
import subprocess
from collections.abc import Iterator

import yaml

from exporter import names
from tests.rules import code_cases, pipeline_cases, queue_cases, system_cases
from tests.rules.promtool import BASELINE, PACK, RULES, WINDOWS, Run


def runs() -> Iterator[Run]:
    """What the tests of every code, of every system and of the exporter's own alerts run."""
    for system in PACK.taxonomy.systems:
        yield code_cases.spikes(system)
        if code_cases.planned(system):
            yield code_cases.overruns(system)
        yield code_cases.elevations(system)
        yield code_cases.firsts(system)
        yield system_cases.stops(system)
        yield system_cases.burns(system)
    yield queue_cases.grows()
    for alert in pipeline_cases.TROUBLES:
        yield pipeline_cases.run_of(alert)


def test_every_alert_has_its_runbook_and_its_case_and_there_are_no_others() -> None:
    alerts = [
        rule["alert"]
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    headings = [
        heading
        for path in (RULES / "runbooks").rglob("*.md")
        # The other headings of this level are questions, several words or a number and words.
        for heading in re.findall(r"^### (\w+)$", path.read_text(), re.MULTILINE)
    ]
    fired = [alert for run in runs() for alert in run.fired]
    assert sorted(alerts) == sorted(headings) == sorted(fired)
    assert len(set(alerts)) == len(alerts) > 100


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    done = subprocess.run(
        [
            "promtool",
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            *map(str, sorted(RULES.glob("*.yml"))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def test_every_recorded_name_is_written_once_in_names() -> None:
    stems = tuple(value for name, value in vars(names).items() if name.startswith("RULE_"))
    for file in (BASELINE, WINDOWS):
        for line in (RULES / file).read_text().splitlines():
            if "record: " in line:
                assert line.split("record: ")[1].startswith(stems)
