"""Deduplication keys and fingerprints, and hashes of users, who are in no file, metric or log."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter import names
from exporter.ingest.classify import Classifier
from exporter.ledger.contract import USER_BYTES
from exporter.taxonomy.model import Taxonomy
from tests.e2e.exporter_process import ExporterProcess
from tests.ingest.conftest import (
    BASE,
    MAX_AGE,
    at,
    classify,
    make_classifier,
)
from tests.ingest.memory_ledger import keys_and_fingerprints

KEYLESS = {name: value for name, value in BASE.items() if name != "id"}


def both(
    classifier: Classifier, event: dict[str, Any], **change: Any
) -> tuple[list[bytes], list[bytes]]:
    """Keys and fingerprints of an event and its changed copy."""
    return keys_and_fingerprints(classify(classifier, event, {**event, **change}).batch)


@pytest.mark.parametrize(
    ("event", "change"),
    [
        *((BASE, {"id": id_}) for id_ in ("e-2", "E-1", "e-1 ")),
        *((event, {"system": "softdrive"}) for event in (BASE, KEYLESS)),
        *((KEYLESS, {"code": code}) for code in (4002, "4099")),
        (KEYLESS, {"session_id": "s-2"}),
        (KEYLESS, {"occurred_at": "2026-11-20T18:59:00.001Z"}),
        (KEYLESS, {"id": "s-1"}),
    ],
    ids=lambda fields: "id" if fields is BASE else "no id" if fields is KEYLESS else str(fields),
)
def test_key_depends_on_system_and_id_or_on_session_code_and_time(
    classifier: Classifier, event: dict[str, Any], change: dict[str, Any]
) -> None:
    (key, other), _ = both(classifier, event, **change)
    assert key != other


def test_unknown_codes_differ_in_derived_key_and_fingerprint(classifier: Classifier) -> None:
    events = [{**KEYLESS, "code": code} for code in ("a", "b", "a")]
    keys, fingerprints = keys_and_fingerprints(classify(classifier, *events).batch)
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
        *({"code": code} for code in (4002, "4099", "Code 4001")),
        *({"session_id": session} for session in ("s-2", None)),
        *({"occurred_at": time} for time in ("2026-11-20T18:59:00.000001Z", None)),
        *({"duration_seconds": seconds} for seconds in (12.6, None)),
        *({"phase": phase} for phase in ("stream", None)),
        {"final": False},
        *({"labels": {"region": region}} for region in ("us", "")),
        *({"labels": {"region": "eu", name: "x"}} for name in ("project", "user")),
    ],
    ids=str,
)
def test_fingerprint_depends_on_every_field(classifier: Classifier, change: dict[str, Any]) -> None:
    (key, other_key), (fingerprint, other) = both(classifier, BASE, **change)
    assert key == other_key
    assert fingerprint != other


@pytest.mark.parametrize(
    "change",
    [
        *({"code": code} for code in ("4001", " 4001 ", 4001)),
        {"occurred_at": "2026-11-20T19:59:00+01:00"},
        {"occurred_at": "2026-11-20t18:59:00.000z"},
        {"final": None},
        {"unknown": {"field": [1]}},
        {"labels": {"user": "", "region": "eu", "project": None, "floor": 3}},
    ],
    ids=str,
)
@pytest.mark.parametrize("event", [BASE, KEYLESS], ids=["id", "derived key"])
def test_key_and_fingerprint_ignore_spelling(
    classifier: Classifier, event: dict[str, Any], change: dict[str, Any]
) -> None:
    keys, fingerprints = both(classifier, event, **change)
    assert len(keys) == 2
    assert len(set(keys)) == len(set(fingerprints)) == 1


@pytest.mark.parametrize("size", [3, 2000], ids=["remembered", "too long to be remembered"])
def test_fingerprint_ignores_order_of_labels(classifier: Classifier, size: int) -> None:
    labels = {"region": "eu", "note": "x" * size, "é": "\ud800"}
    event = {**BASE, "labels": labels}
    _, (fingerprint, other) = both(classifier, event, labels=dict([*labels.items()][::-1]))
    assert fingerprint == other


# --- users ----------------------------------------------------------------------------------------


def users(classifier: Classifier, *changes: dict[str, Any]) -> list[bytes | None]:
    events = [
        {**BASE, "user": "u", "id": f"e{place}", **each} for place, each in enumerate(changes)
    ]
    classified = classify(classifier, *events)
    assert classified.rejected == []
    assert classified.batch.users is not None
    return list(classified.batch.users)


@pytest.mark.parametrize(
    "other", [{"user": "v"}, {"code": 4005}, {"system": "softdrive", "code": "01"}]
)
def test_hash_depends_on_user_system_and_code(
    classifier: Classifier, other: dict[str, Any]
) -> None:
    first, same, different = users(classifier, {}, {"code": "4001", "labels": {}}, other)
    assert first == same != different
    assert [len(each or b"") for each in (first, different)] == [USER_BYTES, USER_BYTES]


@pytest.mark.parametrize(
    "change",
    [
        *({"user": user} for user in (None, "", "undefined")),
        {"final": False},
        {"occurred_at": at(-MAX_AGE - 1)},
    ],
)
def test_only_an_end_on_time_with_a_user_has_a_hash(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    assert users(classifier, {}, change)[1] is None


def test_batch_has_no_users_when_no_event_has_one(classifier: Classifier) -> None:
    assert classify(classifier, BASE).batch.users is None


def test_another_classifier_has_another_key(classifier: Classifier, taxonomy: Taxonomy) -> None:
    assert users(classifier, {}) != users(make_classifier(taxonomy), {})


def test_user_is_not_in_the_fingerprint(classifier: Classifier) -> None:
    """A fingerprint is stored and not keyed: it could show whether an end is that of a known user."""
    classified = classify(classifier, BASE, {**BASE, "user": "u"}, {**BASE, "user": "v"})
    assert len(set(keys_and_fingerprints(classified.batch)[1])) == 1


@pytest.mark.parametrize(
    ("user", "rule"), [("x" * 257, "a string of length <= 256"), (7, "a string, not an integer")]
)
def test_rejection_does_not_repeat_the_user(classifier: Classifier, user: Any, rule: str) -> None:
    (rejection,) = classify(classifier, {**BASE, "user": user}).rejected
    assert (rejection.reason, rejection.message) == ("invalid_field", f"user: must be {rule}")
    assert users(classifier, {"user": "é" * 256}) != [None]


def test_user_is_in_no_file_metric_or_log(tmp_path: Path) -> None:
    """Of a real exporter, which also has the setting strict_fields."""
    settings = {"log_level": "debug", "strict_fields": "true"}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        unknown = exporter.post({**BASE, "user": "jane-doe", "error_code": 1})
        assert unknown.json["rejected"][0]["reason"] == "unknown_field"
        pairs = {"system": "streampixel", "error_code": "4001"}.items()
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in pairs]
        records = {"logRecords": [{"eventName": "session.end", "attributes": attributes}]}
        body = json.dumps({"resourceLogs": [{"scopeLogs": [records]}]}).encode()
        headers = {"Content-Type": "application/json"}
        otlp = exporter.request("ingest", "POST", names.LOGS_PATH, body, headers)
        assert otlp.json["partialSuccess"]["rejectedLogRecords"] == "1"
        for number in range(2):
            event = {**BASE, "id": str(number), "user": "jane-doe", "occurred_at": None}
            assert exporter.post(event).json["accepted"] == 1
        text = exporter.request("ops", "GET", names.METRICS_PATH).body
        assert exporter.total(names.SESSION_END_REPEATS, code="4001") == 1
        files = [path.read_bytes() for path in exporter.data_dir.iterdir()]
    log = exporter.log_file.read_bytes()
    assert b"session_end" in log
    assert not any(b"jane-doe" in content for content in (text, log, *files))
