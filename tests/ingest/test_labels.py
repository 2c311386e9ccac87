"""Label values: the allow-list, the bound on values, and forbidden characters."""

import json
import tracemalloc
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest import labels
from exporter.ingest.labels import LabelValues
from exporter.names import OTHER


def text(**labels: Any) -> bytes:
    return json.dumps(labels).encode()


def admitted(values: LabelValues, labels: bytes) -> tuple[str, ...]:
    """The values of a valid event."""
    looked_up = values[labels]
    values.admit(looked_up)
    return looked_up


def rejection(values: LabelValues, labels: bytes) -> tuple[str, str]:
    """Reason and message."""
    with pytest.raises(Rejected) as caught:
        values[labels]
    return caught.value.reason, caught.value.message


@pytest.fixture
def values() -> LabelValues:
    return LabelValues(("region", "project"), max_values=3, max_depth=32)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (text(project="shop", user="bob", region="eu"), ("eu", "shop")),
        (b'{"x": [1, {"y": "\\ud800\\u0000"}], "region": "eu"}', ("eu", "")),
        *((labels, ("", "")) for labels in (b"", b"null", b'""', b"{}", b'{"region":""}')),
        (b' {"region" : null} ', ("", "")),
        # An exact name first, then any other spelling.
        (text(Region="eu", PROJECT="shop"), ("eu", "shop")),
        (text(**{"re-gion": "eu", "region": "us", "REGION": "ap"}), ("us", "")),
        (b'{"region": null, "Region": "eu", "REGION": ""}', ("eu", "")),
        (text(**{"region" + " " * 64: "eu"}), ("", "")),
        (text(region="eu", **dict.fromkeys(map(str, range(63)))), ("eu", "")),
        *((text(region=value), (value, "")) for value in ("日本", "😀", "\\", "‑", "\xa0")),
        *((text(region=value), (value, "")) for value in ("a" * 128, "😀" * 32, '"<{{ x }}"')),
    ],
)
def test_only_configured_names_are_kept_in_the_settings_order(
    values: LabelValues, labels: bytes, expected: tuple[str, str]
) -> None:
    assert values[labels] == expected


def test_long_name_is_matched_exactly() -> None:
    """Fails when all long names have one key."""
    name = "x" * 65
    values = LabelValues((name,), max_values=3, max_depth=32)
    assert values[text(**{name.upper(): "eu"})] == ("",)
    assert values[text(**{name: "eu"})] == ("eu",)


def test_other_and_empty_values_do_not_count_toward_the_bound(values: LabelValues) -> None:
    admitted(values, text(region="other"))
    admitted(values, text(region=""))
    regions = [admitted(values, text(region=region))[0] for region in "abcd"]
    assert regions == ["a", "b", "c", "other"]


def test_value_that_is_looked_up_only_does_not_count_toward_the_bound(values: LabelValues) -> None:
    """Fails when a look-up admits a value, and when the text of a value that is not admitted is cached: the
    value would pass the bound later."""
    for number in range(50):
        assert values[text(region=f"r{number}")] == (f"r{number}", "")
    for region in "abc":
        assert admitted(values, text(region=region)) == (region, "")
    assert values[text(region="r0")] == ("other", "")


def test_values_in_the_ledger_count_toward_the_bound_and_pass_it(values: LabelValues) -> None:
    """Fails without `learn`: a new value would take the place of an existing series."""
    for known in [("eu", ""), ("us", "shop"), ("other", ""), ("", "")]:
        values.learn(known)
    assert admitted(values, text(region="asia")) == ("asia", "")
    assert values[text(region="mars")] == (OTHER, "")
    assert values[text(region="us")] == ("us", "")
    values.learn(("mars", ""))
    assert values[text(region="mars")] == ("mars", "")
    assert values[text(region="venus")] == (OTHER, "")


@pytest.mark.parametrize(
    "char",
    [*"\0\n\x1f\x7f\x80\x9f\u061c\u200e\u200f\u2028\u202e\u2066\u2069\ud800\udfff"],
    ids=lambda char: f"U+{ord(char):04X}",
)
def test_control_bidi_and_surrogate_characters_are_rejected(values: LabelValues, char: str) -> None:
    """Fails without the forbidden class; a lone surrogate makes /metrics unreadable permanently."""
    assert rejection(values, text(region=f"e{char}u")) == (
        "invalid_label",
        f"labels.region: has the character U+{ord(char):04X}: no control, bidirectional or surrogate "
        "characters",
    )


@pytest.mark.parametrize(
    ("labels", "reason", "message"),
    [
        (b'{"region":1}', "invalid_label", "labels.region: must be a string"),
        (b"[]", "invalid_field", "labels: must be an object"),
        (
            text(**dict.fromkeys(map(str, range(65)))),
            "invalid_label",
            "labels: 65 names, at most 64",
        ),
        (text(region="a" * 129), "invalid_label", "labels.region: longer than 128 bytes"),
        (text(region="😀" * 32 + "a"), "invalid_label", "labels.region: longer than 128 bytes"),
        # The fast path's count of keys does not look inside labels.
        (b'{"x":"","region":"a","region":"b"}', "duplicate_key", "duplicate key 'region'"),
        (b'{"x":' * 32 + b"1" + b"}" * 32, "too_deep", "nested deeper than 31 levels (max_depth)"),
        (b'{"a":' + b"9" * 5000 + b"}", "invalid_json", "labels: not JSON: Exceeds the limit"),
    ],
)
def test_invalid_labels_are_rejected(
    values: LabelValues, labels: bytes, reason: str, message: str
) -> None:
    rejected = rejection(values, labels)
    assert rejected[0] == reason
    assert rejected[1].startswith(message)


def test_remembered_texts_are_bounded(values: LabelValues, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails without the bounds on the number of cached texts, also of their fingerprints, and on the bytes of
    each text."""
    monkeypatch.setattr(labels, "_CACHED_TEXTS", 100)
    admitted(values, text(region="eu"))
    tracemalloc.start()
    for number in range(5000):
        values[text(region="eu", x=number)]
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < len(values) <= 100
    assert kept < 400 * 1024
    before = set(values)
    assert values[text(region="eu", x="x" * 2000)] == ("eu", "")
    assert set(values) == before
