"""What an event is known by: its key and its fingerprint."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.ingest.classify import Classifier
from exporter.ingest.keys import Sources
from exporter.ingest.labels import LabelValues
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.model import Outcome
from tests.ingest.classifying import BASE, MAX_AGE, MAX_SKEW, classify, known_by

KEYLESS = {name: value for name, value in BASE.items() if name != "id"}


# --- keys and fingerprints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"id": "e-2"}, {"system": "softdrive"}, {"id": "E-1"}, {"id": "e-1 "}]
)
def test_another_id_or_system_is_another_key(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    first, second = known_by(classify(classifier, BASE, {**BASE, **change}))[0]
    assert first != second


@pytest.mark.parametrize("spelling", ["4001", " 4001", 4001])
@pytest.mark.parametrize("time", ["2026-11-20T18:59:00.000Z", "2026-11-20T20:59:00+02:00"])
def test_without_an_id_the_key_is_of_system_session_code_and_time(
    classifier: Classifier, spelling: str | int, time: str
) -> None:
    found = classify(classifier, KEYLESS, {**KEYLESS, "code": spelling, "occurred_at": time})
    (first, second), (one_fingerprint, other_fingerprint) = known_by(found)
    assert first == second
    assert one_fingerprint == other_fingerprint
    assert found.unkeyed == 0


@pytest.mark.parametrize(
    "change",
    [
        {"system": "softdrive"},
        {"session_id": "s-2"},
        {"code": 4002},
        {"code": "4099"},
        {"occurred_at": "2026-11-20T18:59:00.001Z"},
        {"id": "s-1"},
    ],
)
def test_each_part_of_the_derived_key_matters(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    first, second = known_by(classify(classifier, KEYLESS, {**KEYLESS, **change}))[0]
    assert first != second


def test_unknown_codes_are_told_apart_in_the_derived_key(classifier: Classifier) -> None:
    events = [{**KEYLESS, "code": code} for code in ("a", "b", "a")]
    first, second, third = known_by(classify(classifier, *events))[0]
    assert first != second
    assert first == third


@pytest.mark.parametrize(
    ("missing", "value"), [("session_id", None), ("session_id", ""), ("occurred_at", None)]
)
def test_without_session_or_time_there_is_no_key(
    classifier: Classifier, missing: str, value: str | None
) -> None:
    found = classify(classifier, {**KEYLESS, missing: value})
    assert (found.unkeyed, found.batch.keys, found.batch.fingerprints) == (1, b"", b"")


@pytest.mark.parametrize(
    "change",
    [
        {"code": 4002},
        {"code": "4099"},
        {"session_id": "s-2"},
        {"session_id": None},
        {"occurred_at": "2026-11-20T18:59:00.000001Z"},
        {"occurred_at": None},
        {"duration_seconds": 12.6},
        {"duration_seconds": None},
        {"phase": "stream"},
        {"final": False},
        {"labels": {"region": "us"}},
        {"labels": {"region": "eu", "project": "p"}},
        {"labels": {}},
        {"labels": {"region": "eu", "user": "bob"}},
        {"code": "Code 4001"},
        {"phase": None},
    ],
)
def test_the_fingerprint_differs_when_a_field_does(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    (key, other_key), (one_fingerprint, other_fingerprint) = known_by(
        classify(classifier, BASE, {**BASE, **change})
    )
    assert key == other_key
    assert one_fingerprint != other_fingerprint


def test_two_unknown_codes_have_two_fingerprints(classifier: Classifier) -> None:
    first, second = known_by(classify(classifier, *({**BASE, "code": one} for one in "ab")))[1]
    assert first != second


@pytest.mark.parametrize(
    "change",
    [
        {"code": "4001"},
        {"code": " 4001 "},
        {"occurred_at": "2026-11-20T19:59:00+01:00"},
        {"occurred_at": "2026-11-20t18:59:00.000z"},
        {"final": None},
        {"unknown": {"field": [1]}},
        {"labels": {"user": "", "region": "eu", "project": None, "floor": 3}},
    ],
)
def test_the_fingerprint_is_the_same_when_only_the_spelling_differs(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    first, second = known_by(classify(classifier, BASE, {**BASE, **change}))[1]
    assert first == second


def test_the_fingerprint_is_the_same_in_other_json(classifier: Classifier) -> None:
    first = known_by(classify(classifier, text=json.dumps(BASE)))
    second = known_by(classify(classifier, text=json.dumps({**BASE, "x": 1}, indent=3)))
    number = known_by(classify(classifier, text=json.dumps(BASE).replace("12.5", "125e-1")))
    assert first == second == number


def test_the_fingerprint_is_the_same_when_labels_are_in_another_order(
    classifier: Classifier,
) -> None:
    """However long they are: long ones are not remembered."""
    for size in (3, 2000):
        pairs = {"region": "eu", "note": "x" * size, "é": "\ud800"}
        events = [
            {**BASE, "labels": dict(order)} for order in (pairs.items(), [*pairs.items()][::-1])
        ]
        first, second = known_by(classify(classifier, *events))[1]
        assert first == second


# --- retries after the settings changed -------------------------------------------------------------


def changed(taxonomy: Taxonomy) -> Taxonomy:
    """An upgrade: other phases, categories and outcomes, a code that is new, an alias that moved."""
    systems = {}
    for name, system in taxonomy.systems.items():
        codes = [
            replace(code, phase="stream", category="x", outcome=Outcome.NEUTRAL)
            for code in system.codes
        ]
        new = replace(codes[0], code="4099")
        spellings = dict.fromkeys(system.spellings, codes[-1]) | {"4099": new}
        systems[name] = replace(system, codes=(*codes, new), normal=new, spellings=spellings)
    return Taxonomy(systems)


@pytest.mark.parametrize(
    "event",
    [
        BASE,
        KEYLESS,
        {"system": "streampixel", "id": "a"},
        {
            "system": "softdrive",
            "id": "a",
            "code": "TLSHandshakeFailed",
            "labels": {"project": "p"},
        },
        {**KEYLESS, "code": 4099, "labels": {"region": "eu", "project": "p"}},
        {**KEYLESS, "code": "no worker node available", "final": False},
        {**BASE, "labels": {"note": "x" * 2000, "region": "eu"}},
    ],
)
@pytest.mark.parametrize("names", [(), ("project",), ("project", "region")])
@pytest.mark.parametrize("text", ["[{}]", '[{},{{"system":"streampixel","x":1}}]'])
def test_key_and_print_are_the_same_after_the_settings_changed(
    classifier: Classifier,
    taxonomy: Taxonomy,
    event: dict[str, Any],
    names: tuple[str, ...],
    text: str,
) -> None:
    """Fails when a key or fingerprint has a code, phase, category or label value that a setting decided."""
    before = known_by(classify(classifier, text=f"[{json.dumps(event)}]"))
    values = LabelValues(names, 1, 32, [("taken",) * len(names)])
    now = Classifier(changed(taxonomy), values, MAX_AGE, MAX_SKEW)
    assert known_by(classify(now, text=text.format(json.dumps(event)))) == before


# --- what is remembered ---------------------------------------------------------------------------


def test_the_memory_of_sources_is_bounded_in_number_and_length() -> None:
    """Fails without the bounds: a thousand sources of a megabyte are a gigabyte."""
    sources = Sources()
    for number in range(2500):
        sources["softdrive", f"/{number}"]
        assert len(sources) <= 1000
    before = dict(sources)
    first = sources["softdrive", "/" * 5000]
    assert dict(sources) == before
    assert sources["softdrive", "/" * 5000] == first
