"""The bounded list of codes that no taxonomy has."""

import pytest

from exporter.ingest.unknown import MAX_CODE, UnknownCodes


def test_a_code_has_its_count_and_its_first_and_last_time() -> None:
    codes = UnknownCodes(["a"])
    codes.record("a", "05", 1.0)
    codes.record("a", "05", 3.0, count=4)
    (one,) = codes.snapshot()
    assert (one.system, one.code, one.count, one.first_seen, one.last_seen) == (
        "a",
        "05",
        5,
        1.0,
        3.0,
    )


def test_past_the_bound_the_code_not_seen_for_longest_is_forgotten_and_counted() -> None:
    codes = UnknownCodes(["a", "b"], most=2)
    codes.record("b", "kept", 0.0)
    for at, code in enumerate(("x", "y", "x", "z")):
        codes.record("a", code, float(at))
    assert {(one.system, one.code) for one in codes.snapshot()} == {
        ("a", "x"),
        ("a", "z"),
        ("b", "kept"),
    }
    assert codes.evicted == 1


def test_a_long_code_is_cut() -> None:
    codes = UnknownCodes(["a"])
    codes.record("a", "x" * 10_000, 1.0)
    assert codes.snapshot()[0].code == "x" * MAX_CODE


def test_half_a_surrogate_pair_does_not_break_the_list() -> None:
    codes = UnknownCodes(["a"])
    codes.record("a", "\ud800", 1.0)
    assert codes.snapshot()[0].code == "?"


def test_systems_are_those_named_at_the_start() -> None:
    with pytest.raises(KeyError):
        UnknownCodes(["a"]).record("b", "05", 1.0)
