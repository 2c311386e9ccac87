"""The shipped times, thirty times shorter."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from exporter.demo.compressed import SPEED, compressed, compressed_timings
from exporter.policy import loader as policy
from exporter.policy.model import Duration
from tests.alertmanager import shipped


def times(part: object, place: str = "policy") -> Iterator[tuple[str, Duration]]:
    if isinstance(part, Duration):
        yield place, part
    elif isinstance(part, tuple):
        for number, one in enumerate(part):
            yield from times(one, f"{place}[{number}]")
    elif is_dataclass(part):
        for one in fields(part):
            yield from times(getattr(part, one.name), f"{place}.{one.name}")


def numbers(part: object, place: str = "policy") -> Iterator[tuple[str, object]]:
    if isinstance(part, tuple):
        for number, one in enumerate(part):
            yield from numbers(one, f"{place}[{number}]")
    elif is_dataclass(part):
        for one in fields(part):
            yield from numbers(getattr(part, one.name), f"{place}.{one.name}")
    elif not isinstance(part, Duration):
        yield place, part


def test_every_time_of_the_policy_is_shorter_by_the_same_factor() -> None:
    """Fails when the speed leaves a part of a second: a window would be another one than its reason says."""
    before, after = dict(times(policy.load())), dict(times(compressed(policy.load())))
    assert len(before) > 40
    assert {name: after[name].seconds * SPEED for name in before} == {
        name: before[name].seconds for name in before
    }


def test_no_number_of_the_policy_that_is_no_time_is_changed() -> None:
    before = list(numbers(policy.load()))
    assert len(before) > 40
    assert list(numbers(compressed(policy.load()))) == before


def test_alertmanager_waits_as_much_shorter_and_never_less_than_an_evaluation_of_the_rules() -> (
    None
):
    given = re.findall(r"group_\w+: (\w+)", shipped.config_text())
    found = re.findall(r"group_\w+: (\w+)", compressed_timings(shipped.config_text()))
    assert [Duration(one).seconds for one in given] == [300, 3600, 40, 600]
    assert [Duration(one).seconds for one in found] == [10, 120, 2, 20]
    evaluation = compressed(policy.load()).intervals.windows
    assert min(Duration(one).seconds for one in found) > evaluation.seconds


def test_of_alertmanager_s_configuration_nothing_but_timings_is_changed() -> None:
    changed = [
        (one, other)
        for one, other in zip(
            shipped.config_text().splitlines(),
            compressed_timings(shipped.config_text()).splitlines(),
            strict=True,
        )
        if one != other
    ]
    assert len(changed) == 6
    for one, other in changed:
        assert one.split(":")[0] == other.split(":")[0]
