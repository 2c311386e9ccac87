"""Addresses and configuration of the demo's programs."""

import re
from pathlib import Path

import yaml

from deploy.demo.stack import SPEED, compressed, configure
from exporter import rule_files
from tests.alertmanager import shipped
from tests.programs import output

DURATION = re.compile(r"\b(?:\d+[smhd])+\b")


def seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([smhd])", duration))


def test_compressed_rules_have_every_duration_divided_and_nothing_else_changed() -> None:
    """Fails when the speed makes a duration a fraction of a second: rounding would change its window."""
    for path in rule_files.RULES.glob("*.yml"):
        before, after = path.read_text(), compressed(path.read_text())
        assert DURATION.sub("", before) == DURATION.sub("", after)
        for long, short in zip(DURATION.findall(before), DURATION.findall(after), strict=True):
            # A range is a second longer than its window, before and after.
            extra = seconds(long) % SPEED
            assert extra in (0, 1), long
            assert (seconds(short) - extra) * SPEED == seconds(long) - extra


def test_compressed_alertmanager_waits_longer_than_an_evaluation_of_the_rules() -> None:
    route = yaml.safe_load(compressed(shipped.CONFIG.read_text()))["route"]
    (page,) = (inner for inner in route["routes"] if inner["receiver"] == "page")
    waits = [level[key] for level in (route, page) for key in ("group_wait", "group_interval")]
    assert [seconds(wait) for wait in waits] == [10, 120, 2, 20]
    rules = compressed((rule_files.RULES / "session-ends.yml").read_text())
    intervals = {group["name"]: group["interval"] for group in yaml.safe_load(rules)["groups"]}
    assert min(map(seconds, waits)) > seconds(intervals["session-ends-windows"])


def test_configuration_names_the_listeners_of_the_demo(tmp_path: Path) -> None:
    """Fails when a shipped file contains an address that the demo does not replace."""
    listeners = {
        "ingest": "a:1",
        "ops": "b:2",
        "prometheus": "c:3",
        "alertmanager": "d:4",
        "grafana": "e:6",
    }
    configure(tmp_path, listeners, "http://e:5")
    for tool, file in (
        ("promtool check config", "prometheus"),
        ("amtool check-config", "alertmanager"),
    ):
        output(*tool.split(), tmp_path / f"{file}.yml")
    text = (tmp_path / "prometheus.yml").read_text() + (tmp_path / "alertmanager.yml").read_text()
    assert re.findall(r"targets: \[(.*)\]", text) == ["b:2", "d:4"]
    files = re.findall(r"api_url_file: (\S+)", text)
    assert {Path(file).read_text() for file in files} == {
        "http://e:5/slack-page",
        "http://e:5/slack-ticket",
    }
