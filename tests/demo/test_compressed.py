"""The shipped times, thirty times shorter."""

import re

import yaml

from exporter import rule_files
from exporter.demo.compressed import SPEED, compressed
from tests.alertmanager import shipped

DURATIONS = re.compile(r"\b(?:\d+[smhd])+\b")


def seconds(duration: str) -> int:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)([smhd])", duration))


def test_every_time_of_the_rules_is_shorter_by_the_same_factor() -> None:
    """Fails when the speed leaves a part of a second: a window would be another than its reason says."""
    for path in rule_files.folder().glob("*.yml"):
        before = DURATIONS.findall(path.read_text())
        after = DURATIONS.findall(compressed(path.read_text()))
        assert len(before) == len(after)
        for long, short in zip(before, after, strict=True):
            # A range is a second longer than its window, before and after.
            extra = seconds(long) % SPEED
            assert extra in (0, 1), long
            assert (seconds(short) - extra) * SPEED == seconds(long) - extra


def test_nothing_but_times_is_changed() -> None:
    for path in rule_files.folder().glob("*.yml"):
        text = path.read_text()
        assert DURATIONS.sub("", compressed(text)) == DURATIONS.sub("", text)


def test_alertmanager_waits_as_much_shorter_and_longer_than_an_evaluation_of_the_rules() -> None:
    found = re.findall(r"group_\w+: (\w+)", compressed(shipped.config_text()))
    assert [seconds(time) for time in found] == [10, 120, 2, 20]
    rules = compressed((rule_files.folder() / "session-ends.yml").read_text())
    intervals = {group["name"]: group["interval"] for group in yaml.safe_load(rules)["groups"]}
    assert min(map(seconds, found)) > seconds(intervals["session-ends-windows"])
