"""Deduplication keys and fingerprints."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.ingest.classify import Classifier
from exporter.ingest.labels import LabelValues
from exporter.taxonomy import Taxonomy
from exporter.taxonomy.model import Outcome
from tests.ingest.classifying import BASE, MAX_AGE, MAX_SKEW, classify, keys_and_fingerprints

KEYLESS = {name: value for name, value in BASE.items() if name != "id"}


def both(
    classifier: Classifier, event: dict[str, Any], **change: Any
) -> tuple[list[bytes], list[bytes]]:
    """Keys and fingerprints of an event and its changed copy."""
    return keys_and_fingerprints(classify(classifier, event, {**event, **change}))


@pytest.mark.parametrize(
    "change", [{"id": "e-2"}, {"system": "softdrive"}, {"id": "E-1"}, {"id": "e-1 "}]
)
def test_key_depends_on_id_and_system(classifier: Classifier, change: dict[str, Any]) -> None:
    (key, other), _ = both(classifier, BASE, **change)
    assert key != other


@pytest.mark.parametrize("code", ["4001", " 4001", 4001])
@pytest.mark.parametrize("time", ["2026-11-20T18:59:00.000Z", "2026-11-20T20:59:00+02:00"])
def test_derived_key_ignores_spelling(classifier: Classifier, code: str | int, time: str) -> None:
    keys, fingerprints = both(classifier, KEYLESS, code=code, occurred_at=time)
    assert len(keys) == 2
    assert len(set(keys)) == len(set(fingerprints)) == 1


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
def test_derived_key_depends_on_system_session_code_and_time(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    (key, other), _ = both(classifier, KEYLESS, **change)
    assert key != other


def test_unknown_codes_differ_in_derived_key_and_fingerprint(classifier: Classifier) -> None:
    events = [{**KEYLESS, "code": code} for code in ("a", "b", "a")]
    keys, fingerprints = keys_and_fingerprints(classify(classifier, *events))
    for values in (keys, fingerprints):
        assert values[0] == values[2] != values[1]


@pytest.mark.parametrize(
    "change", [{"session_id": None}, {"session_id": ""}, {"occurred_at": None}]
)
def test_event_without_session_or_time_has_no_key(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    classified = classify(classifier, {**KEYLESS, **change})
    batch = classified.batch
    assert (classified.unkeyed, batch.keys, batch.fingerprints) == (1, b"", b"")


@pytest.mark.parametrize(
    "change",
    [
        {"code": 4002},
        {"code": "4099"},
        {"code": "Code 4001"},
        {"session_id": "s-2"},
        {"session_id": None},
        {"occurred_at": "2026-11-20T18:59:00.000001Z"},
        {"occurred_at": None},
        {"duration_seconds": 12.6},
        {"duration_seconds": None},
        {"phase": "stream"},
        {"phase": None},
        {"final": False},
        {"labels": {"region": "us"}},
        {"labels": {"region": "eu", "project": "p"}},
        {"labels": {}},
        {"labels": {"region": "eu", "user": "bob"}},
    ],
)
def test_fingerprint_depends_on_every_field(classifier: Classifier, change: dict[str, Any]) -> None:
    (key, other_key), (fingerprint, other) = both(classifier, BASE, **change)
    assert key == other_key
    assert fingerprint != other


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
def test_fingerprint_ignores_spelling(classifier: Classifier, change: dict[str, Any]) -> None:
    _, (fingerprint, other) = both(classifier, BASE, **change)
    assert fingerprint == other


@pytest.mark.parametrize("size", [3, 2000], ids=["remembered", "too long to be remembered"])
def test_fingerprint_ignores_order_of_labels(classifier: Classifier, size: int) -> None:
    labels = {"region": "eu", "note": "x" * size, "é": "\ud800"}
    event = {**BASE, "labels": labels}
    _, (fingerprint, other) = both(classifier, event, labels=dict([*labels.items()][::-1]))
    assert fingerprint == other


# --- retries after the settings changed -------------------------------------------------------------


def changed(taxonomy: Taxonomy) -> Taxonomy:
    """A taxonomy after an upgrade: other phases, categories and outcomes, a new code, an alias that moved."""
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
@pytest.mark.parametrize("names", [(), ("project", "region")])
@pytest.mark.parametrize("text", ["[{}]", '[{},{{"system":"streampixel","x":1}}]'])
def test_key_and_fingerprint_survive_changed_settings(
    classifier: Classifier,
    taxonomy: Taxonomy,
    event: dict[str, Any],
    names: tuple[str, ...],
    text: str,
) -> None:
    """Row 36. Fails when key or fingerprint contains a code, phase, category or label value set by a
    setting."""
    before = keys_and_fingerprints(classify(classifier, text=f"[{json.dumps(event)}]"))
    values = LabelValues(names, 1, 32)
    values.learn(("taken",) * len(names))
    upgraded = Classifier(changed(taxonomy), values, MAX_AGE, MAX_SKEW)
    after = classify(upgraded, text=text.format(json.dumps(event)))
    assert keys_and_fingerprints(after) == before
