"""Addresses and configuration of the demo's programs."""

import re

import yaml

from deploy.demo.stack import SPEED, compressed
from exporter import rule_files
from tests.alertmanager import shipped

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
