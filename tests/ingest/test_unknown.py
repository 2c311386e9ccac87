"""The bounded list of codes that are in no taxonomy."""

from exporter.ingest.unknown import MAX_CODE, UnknownCode, UnknownCodes


def test_code_has_count_and_first_and_last_time() -> None:
    codes = UnknownCodes(["a"])
    codes.record("a", "05", 1.0)
    codes.record("a", "05", 3.0, count=4)
    assert codes.snapshot() == [UnknownCode("a", "05", 5, 1.0, 3.0)]


def test_code_with_oldest_last_seen_is_evicted() -> None:
    codes = UnknownCodes(["a", "b"], max_codes=2)
    codes.record("b", "kept", 0.0)
    for at, code in enumerate(("x", "y", "x", "z")):
        codes.record("a", code, float(at))
    assert {(entry.system, entry.code) for entry in codes.snapshot()} == {
        ("a", "x"),
        ("a", "z"),
        ("b", "kept"),
    }


def test_code_is_cut_and_has_no_lone_surrogate() -> None:
    codes = UnknownCodes(["a"])
    codes.record("a", "\ud800" + "x" * 10_000, 1.0)
    assert codes.snapshot()[0].code == "?" + "x" * (MAX_CODE - 1)
