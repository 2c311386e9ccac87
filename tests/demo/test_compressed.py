"""The shipped durations, divided by the speed of the demo."""

import re

import yaml

from exporter import rule_files
from exporter.demo.compressed import SPEED, compressed
from tests.alertmanager import shipped

DURATIONS = re.compile(r"\b(?:\d+[smhd])+\b")


def seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([smhd])", duration))


def test_compressed_rules_have_every_duration_divided_and_nothing_else_changed() -> None:
    """Fails when the speed leaves a fraction of a second: a window would differ from its stated reason."""
    for path in rule_files.folder().glob("*.yml"):
        before, after = path.read_text(), compressed(path.read_text())
        assert DURATIONS.sub("", before) == DURATIONS.sub("", after)
        for long, short in zip(DURATIONS.findall(before), DURATIONS.findall(after), strict=True):
            # A range is a second longer than its window, before and after.
            extra = seconds(long) % SPEED
            assert extra in (0, 1), long
            assert (seconds(short) - extra) * SPEED == seconds(long) - extra


def test_compressed_alertmanager_waits_longer_than_an_evaluation_of_the_rules() -> None:
    waits = re.findall(r"group_\w+: (\w+)", compressed(shipped.config_text()))
    assert [seconds(wait) for wait in waits] == [10, 120, 2, 20]
    rules = compressed((rule_files.folder() / "session-ends.yml").read_text())
    intervals = {group["name"]: group["interval"] for group in yaml.safe_load(rules)["groups"]}
    assert min(map(seconds, waits)) > seconds(intervals["session-ends-windows"])
