"""The rules of an event's fields, invalid events among valid ones, and thousands of hostile bodies."""

from contextlib import suppress
from typing import Any

import pytest

from exporter.errors import Refused
from exporter.event_fields import PLACEHOLDERS
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.event import MAX_DURATION
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES
from exporter.taxonomy.model import Taxonomy
from tests.faults.fuzz import fuzz
from tests.faults.mutator import Mutator
from tests.ingest.conftest import (
    BASE,
    MAX_SKEW,
    at,
    classify,
    classify_one,
    reason,
)
from tests.ingest.listener import NOW
from tests.ingest.memory_ledger import keys_and_fingerprints


def message(classifier: Classifier, text: str) -> str:
    (rejection,) = classify(classifier, text=text).rejected
    assert rejection.reason == "invalid_field"
    return rejection.message


def test_time_beyond_clock_skew_is_rejected(classifier: Classifier) -> None:
    assert reason(classifier, occurred_at=at(MAX_SKEW)) is None
    assert reason(classifier, occurred_at="9999-12-31T23:59:59-23:59") == "clock_skew"
    (rejection,) = classify_one(classifier, occurred_at=at(MAX_SKEW + 0.001)).rejected
    assert rejection.reason == "clock_skew"
    assert rejection.message == (
        "occurred_at: more than 300 s in the future (max_clock_skew); compare the clocks of sender and "
        "exporter"
    )


def test_time_before_utc_begins_is_rejected(classifier: Classifier) -> None:
    """Fails without the check: the encoder raised OverflowError, and the answer was 500."""
    text = '{"system":"softdrive","occurred_at":"0001-01-01T00:00:00+00:01","session_id":"x"}'
    assert message(classifier, text) == "occurred_at: must be 0001-01-02 or later"
    assert classify_one(classifier, occurred_at="0001-01-02T00:00:00Z", session_id="s").late == 1


@pytest.mark.parametrize("id_", ["x", "x" * 128, "é" * 64, "😀" * 32])
def test_id_has_1_to_128_bytes(classifier: Classifier, id_: str) -> None:
    assert reason(classifier, id=id_) is None
    for wrong in (id_ + "x" * 128, id_ + "é" * 64):
        text = f'{{"system":"softdrive","id":"{wrong}"}}'
        assert message(classifier, text) == "id: must be 1 to 128 bytes"


@pytest.mark.parametrize("text", sorted(PLACEHOLDERS))
def test_placeholder_is_no_id_and_no_session(classifier: Classifier, text: str) -> None:
    """Fails without the checks: with the id "undefined", one of all ends was counted."""
    missing = {"id": text, "session_id": text, "occurred_at": at(0)}
    alone = classify_one(classifier, **missing)
    several = classify(classifier, BASE, {"system": "softdrive", **missing})
    assert (alone.unkeyed, alone.batch.sessions) == (1, None)
    assert (several.unkeyed, several.batch.sessions) == (1, ["s-1", None])
    assert classify_one(classifier, id="e-1", session_id=text).batch.sessions is None
    derived = classify_one(classifier, **missing | {"session_id": "s-1"})
    assert (derived.unkeyed, *(derived.batch.sessions or ())) == (0, "s-1")


@pytest.mark.parametrize("seconds", [0, -0.0, MAX_DURATION, 5e-324])
def test_duration_is_0_to_a_year(classifier: Classifier, seconds: float) -> None:
    durations = classify_one(classifier, duration_seconds=seconds).batch.durations
    assert durations is not None
    assert list(durations) == [float(seconds)]


@pytest.mark.parametrize("seconds", ["-1e-9", "31622401", "1e308", "1e999", "-1e999", "9" * 400])
@pytest.mark.parametrize("unknown", ["", ',"x":1'], ids=["fast", "strict"])
def test_other_durations_are_rejected(classifier: Classifier, seconds: str, unknown: str) -> None:
    """Fails without the bound: two durations of 1e308 made the exported sum infinite."""
    text = f'{{"system":"softdrive","duration_seconds":{seconds}{unknown}}}'
    assert message(classifier, text) in (
        "duration_seconds: must be 0 to 31622400 (a year)",
        "duration_seconds: Number out of range",
    )


@pytest.mark.parametrize("lengths", [(117, 118, 0), (117, 118), (118,), (117,)], ids=str)
def test_session_id_too_long_for_an_exemplar_is_none(
    classifier: Classifier, lengths: tuple[int, ...]
) -> None:
    """Fails when only a batch with a missing session, or only several events, are checked."""
    events = [
        {"system": "softdrive", "session_id": "s" * each, "id": f"{each}"} for each in lengths
    ]
    kept = ["s" * each if each == 117 else None for each in lengths]
    assert list(classify(classifier, *events).batch.sessions or ()) == kept


def test_places_follow_events_through_partition_and_reordering(classifier: Classifier) -> None:
    classified = classify(
        classifier,
        {"system": "softdrive", "code": "01"},  # 0: no key
        5,  # 1: not an object
        {"system": "softdrive", "code": "02", "id": "a"},  # 2
        {"system": "nope"},  # 3
        {"system": "softdrive", "code": "03"},  # 4: no key
        {"system": "softdrive", "code": "04", "id": "b" * 200},  # 5
        {"system": "softdrive", "code": "06", "id": "c"},  # 6
        {"system": "softdrive", "x": 1, "y": {}, "z": {"a": "\ud800"}, "code": "07"},  # 7: no key
        {"system": "softdrive", "occurred_at": at(9999)},  # 8
        {"system": "softdrive", "labels": {"region": "\n"}},  # 9
        ["x"],  # 10
    )
    assert list(classified.places) == [2, 6, 0, 4, 7]
    codes = ["02", "06", "01", "03", "07"]
    assert [series.code for series in classified.batch.series] == codes
    assert [code.code for code in classified.resolved] == codes
    assert len(classified.batch.keys) == 2 * KEY_BYTES
    assert len(classified.batch.fingerprints) == 2 * FINGERPRINT_BYTES
    assert classified.unkeyed == 3
    assert [(rejection.index, rejection.reason) for rejection in classified.rejected] == [
        (1, "not_an_object"),
        (3, "unknown_system"),
        (5, "invalid_field"),
        (8, "clock_skew"),
        (9, "invalid_label"),
        (10, "not_an_object"),
    ]


def test_columns_follow_keyed_events_to_the_front(classifier: Classifier) -> None:
    plain = {"system": "softdrive", "session_id": "no key", "duration_seconds": 1, "user": "u"}
    keyed = {**plain, "session_id": "key", "duration_seconds": 2, "user": "v", "id": "a"}
    both, alone = classify(classifier, plain, keyed), classify(classifier, keyed)
    assert both.batch.durations == [2.0, 1.0]
    assert both.batch.sessions == ["key", "no key"]
    assert both.batch.users
    assert [both.batch.users[0]] == alone.batch.users != [both.batch.users[1]]
    assert keys_and_fingerprints(both.batch) == keys_and_fingerprints(alone.batch)


def columns(classified: Classified) -> list[Any]:
    batch = classified.batch
    return [
        *(list(batch.series), batch.keys, batch.fingerprints),
        *(column and list(column) for column in (batch.durations, batch.sessions, batch.users)),
        *(list(classified.places), classified.rejected),
        *([(code.code, code.seed, code.unknown) for code in classified.resolved],),
        *(classified.unkeyed, classified.late, classified.delay),
    ]


def test_single_event_is_classified_as_a_batch_of_one(classifier: Classifier) -> None:
    mutator, decoder, now, singles = Mutator(1), Decoder(1000, 32), NOW.timestamp(), 0
    for _ in range(5000):
        given = mutator.next()
        with suppress(Refused):
            decoded = decoder.decode(given.media, given.body, given.headers)
            single = classifier.classify_single(decoded, now)
            if single is not None:
                singles += 1
                assert columns(single) == columns(classifier.classify_columns(decoded, now)), given
    assert singles > 200


def test_no_hostile_body_is_more_than_refused(taxonomy: Taxonomy) -> None:
    """Row 16 of the fault table; `make faults` sends ten million. Fails without the count of quotes, the
    checks of Unicode, label characters, numbers and base64 data."""
    report = fuzz(30_000, 1, taxonomy)
    assert report["inputs"] == 30_000
    # Inputs that are refused at the first byte would test nothing.
    assert min(report["fast"], report["classified"] - report["fast"], report["refused"]) > 2000
    assert min(report["events"], report["rejected"]) > 3000
    assert report.keys() >= {"200", "400", "422"}
    assert report["scrapes"] == 6
