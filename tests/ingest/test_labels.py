"""Label values: the allow-list, the bound on values, and forbidden characters."""

import json
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest.labels import LabelValues
from exporter.names import OTHER


def text(**labels: Any) -> bytes:
    return json.dumps(labels).encode()


def rejection(values: LabelValues, labels: bytes) -> tuple[str, str]:
    """Reason and message."""
    with pytest.raises(Rejected) as caught:
        values[labels]
    return caught.value.reason, caught.value.message


@pytest.fixture
def values() -> LabelValues:
    return LabelValues(("region", "project"), max_values=3, max_depth=32)


def test_only_configured_names_are_kept_in_the_settings_order(values: LabelValues) -> None:
    assert values[text(project="shop", user="bob", region="eu")] == ("eu", "shop")
    assert values[b'{"x": [1, {"y": "\\ud800\\u0000"}], "region": "eu"}'] == ("eu", "")


@pytest.mark.parametrize(
    "labels", [b"", b"null", b'""', b"{}", b' {"region" : null} ', b'{"region":""}']
)
def test_missing_label_is_empty(values: LabelValues, labels: bytes) -> None:
    assert values[labels] == ("", "") == values.none


def test_value_past_the_bound_of_its_name_is_other(values: LabelValues) -> None:
    """Fails without the bound: a sender could create any number of series."""
    for number in range(3):
        assert values[text(region=f"r{number}")] == (f"r{number}", "")
    for number in range(3, 50):
        assert values[text(region=f"r{number}", project="p")] == ("other", "p")
    assert values[text(region="r2", project="p")] == ("r2", "p")


def test_other_empty_and_rejected_values_do_not_count_toward_the_bound(
    values: LabelValues,
) -> None:
    values[text(region="other")]
    values[text(region="")]
    rejection(values, text(region="x", project="\n"))
    regions = [values[text(region=region)][0] for region in "abcd"]
    assert regions == ["a", "b", "c", "other"]


def test_values_in_the_ledger_count_toward_the_bound_and_pass_it(values: LabelValues) -> None:
    """Fails without `learn`: a new value would take the place of an existing series."""
    for known in [("eu", ""), ("us", "shop"), ("other", ""), ("", "")]:
        values.learn(known)
    assert values[text(region="asia")] == ("asia", "")
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


@pytest.mark.parametrize("value", ["日本", "😀", '"<script>{{ x }}"', "\\", "‑", "\xa0"])
def test_other_characters_are_kept(values: LabelValues, value: str) -> None:
    assert values[text(region=value)] == (value, "")


@pytest.mark.parametrize(("char", "count"), [("a", 128), ("😀", 32)])
def test_value_has_at_most_128_bytes(values: LabelValues, char: str, count: int) -> None:
    assert values[text(region=char * count)] == (char * count, "")
    assert rejection(values, text(region=char * count + "a")) == (
        "invalid_label",
        "labels.region: longer than 128 bytes",
    )


@pytest.mark.parametrize(
    ("labels", "reason", "message"),
    [
        (b'{"region":1}', "invalid_label", "labels.region: must be a string, not a number"),
        (b'{"region":true}', "invalid_label", "labels.region: must be a string, not a boolean"),
        (b'{"region":["eu"]}', "invalid_label", "labels.region: must be a string, not an array"),
        (b"5", "invalid_field", "labels: must be an object, not a number"),
        (b"[]", "invalid_field", "labels: must be an object, not an array"),
        # The fast path's count of keys does not look inside labels.
        (b'{"region":"a","region":"b"}', "duplicate_key", "duplicate key 'region'"),
        (b'{"x":' * 32 + b"1" + b"}" * 32, "too_deep", "nested deeper than 31 levels (max_depth)"),
    ],
)
def test_labels_of_wrong_shape_are_rejected(
    values: LabelValues, labels: bytes, reason: str, message: str
) -> None:
    assert rejection(values, labels) == (reason, message)


def test_number_of_too_many_digits_is_not_json(values: LabelValues) -> None:
    reason, message = rejection(values, b'{"a":' + b"9" * 5000 + b"}")
    assert reason == "invalid_json"
    assert message.startswith("labels: not JSON")


def test_remembered_texts_are_bounded(values: LabelValues) -> None:
    """Fails without the bounds on the number of cached texts and on the bytes of each text."""
    for number in range(10_050):
        values[text(region="eu", x=number)]
    assert 0 < len(values) <= 10_000
    before = set(values)
    assert values[text(region="eu", x="x" * 2000)] == ("eu", "")
    assert set(values) == before
