"""Label values: the allow-list, the bound on values, and what may not be in one."""

import json
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest import labels as module
from exporter.ingest.labels import LabelValues
from exporter.names import OTHER


def text(**labels: Any) -> bytes:
    return json.dumps(labels).encode()


@pytest.fixture
def values() -> LabelValues:
    return LabelValues(("region", "project"), most=3, max_depth=32)


def test_only_names_on_the_allow_list_are_kept_in_the_settings_order(values: LabelValues) -> None:
    assert values[text(project="shop", user="bob", region="eu")] == ("eu", "shop")


@pytest.mark.parametrize("labels", [b"", b"null", b"{}", b' {"region" : null} ', b'{"region":""}'])
def test_a_label_that_is_not_there_is_empty(values: LabelValues, labels: bytes) -> None:
    assert values[labels] == ("", "") == values.none


def test_names_off_the_list_may_have_any_value(values: LabelValues) -> None:
    assert values[b'{"x": [1, {"y": "\\ud800\\u0000"}], "region": "eu"}'] == ("eu", "")


def test_past_the_bound_a_value_is_other_and_known_ones_stay(values: LabelValues) -> None:
    """Fails without the cap: a sender could make series without end."""
    for number in range(3):
        assert values[text(region=f"r{number}")] == (f"r{number}", "")
    for number in range(3, 50):
        assert values[text(region=f"r{number}")] == ("other", "")
    assert values[text(region="r2", project="p")] == ("r2", "p")


def test_each_name_has_a_bound_of_its_own(values: LabelValues) -> None:
    for number in range(4):
        values[text(region=f"r{number}")]
    assert values[text(region="r9", project="p")] == ("other", "p")


def test_values_that_the_ledger_knows_count_and_keep_their_series() -> None:
    """Fails without `known`: after a restart the first values to arrive would take the places."""
    known = [("eu", ""), ("us", "shop"), ("other", ""), ("", "")]
    values = LabelValues(("region", "project"), 3, 32, known)
    assert values[text(region="asia")] == ("asia", "")
    assert values[text(region="mars")] == ("other", "")
    assert values[text(region="us")] == ("us", "")


def test_other_and_the_empty_value_take_no_place(values: LabelValues) -> None:
    values[text(region="other")]
    values[text(region="")]
    assert [values[text(region=one)][0] for one in "abcd"] == ["a", "b", "c", "other"]


@pytest.mark.parametrize(
    "char",
    [
        *"\0\t\n\r\x1b\x1f\x7f\x80\x85\x9f",
        *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        *"\u2028\u2029",
        *"\ud800\udbff\udc00\udfff",
    ],
    ids=lambda char: f"U+{ord(char):04X}",
)
def test_control_bidi_and_surrogate_characters_are_rejected_and_named(
    values: LabelValues, char: str
) -> None:
    """Fails without the forbidden class; a surrogate half breaks the exposition for good."""
    with pytest.raises(Rejected, match=rf"labels\.region: has the character U\+{ord(char):04X}"):
        values[text(region=f"e{char}u")]


@pytest.mark.parametrize(
    "value", ["é", "日本", "😀", "a b", '"<script>{{ x }}"', "\\", "‑", "\xa0"]
)
def test_other_characters_are_taken_as_they_are(values: LabelValues, value: str) -> None:
    assert values[text(region=value)] == (value, "")


@pytest.mark.parametrize(("char", "count"), [("a", 128), ("é", 64), ("😀", 32)])
def test_a_value_has_at_most_128_bytes(values: LabelValues, char: str, count: int) -> None:
    assert values[text(region=char * count)] == (char * count, "")
    with pytest.raises(Rejected, match="longer than 128 bytes"):
        values[text(region=char * count + "a")]


@pytest.mark.parametrize("value", [1, 1.5, True, [], {}, ["eu"]])
def test_a_value_is_a_string(values: LabelValues, value: object) -> None:
    with pytest.raises(Rejected, match=r"labels\.region: must be a string") as caught:
        values[text(region=value)]
    assert caught.value.reason == "invalid_label"


@pytest.mark.parametrize("labels", [b"5", b'"eu"', b"[]", b"true"])
def test_labels_that_are_no_object_are_rejected(values: LabelValues, labels: bytes) -> None:
    with pytest.raises(Rejected, match="labels: must be an object") as caught:
        values[labels]
    assert caught.value.reason == "invalid_field"


def test_a_number_of_more_digits_than_python_converts_is_no_json(values: LabelValues) -> None:
    """As in any other field of the event."""
    with pytest.raises(Rejected, match="labels: not JSON") as caught:
        values[b'{"a":' + b"9" * 5000 + b"}"]
    assert caught.value.reason == "invalid_json"


def test_a_label_twice_is_rejected(values: LabelValues) -> None:
    """Fails without the duplicate marker: the decoder's count of keys does not look inside labels."""
    with pytest.raises(Rejected, match="is there twice"):
        values[b'{"region":"a","region":"b"}']


def test_labels_nested_too_deep_are_rejected(values: LabelValues) -> None:
    """Fails without the depth check on labels."""
    with pytest.raises(Rejected, match="nested deeper"):
        values[b'{"x":' * 32 + b"1" + b"}" * 32]


def test_a_rejected_value_takes_no_place(values: LabelValues) -> None:
    for number in range(9):
        with pytest.raises(Rejected):
            values[text(region=f"r{number}", project="\n")]
    assert values[text(region="eu")] == ("eu", "")


def test_the_memory_of_texts_is_bounded(
    values: LabelValues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the bound on the cache, in entries and in bytes each."""
    monkeypatch.setattr(module, "_CACHED_TEXTS", 10)
    for number in range(100):
        values[text(region="eu", x=number)]
        assert len(values) <= 10
    before = set(values)
    assert values[text(region="eu", x="x" * 2000)] == ("eu", "")
    assert set(values) == before


def test_a_value_that_the_ledger_has_is_admitted_past_the_bound(values: LabelValues) -> None:
    """Another replica counted it: `other` here and its name there would be two series of one thing."""
    for region in ("a", "b", "c", "late"):
        values[text(region=region)]
    assert values[text(region="late")] == (OTHER, "")
    values.learn(("late", ""))
    assert values[text(region="late")] == ("late", "")
    assert values[text(region="later")] == (OTHER, "")
