"""The rules of an event's fields, and good and bad events in one request."""

import pytest

from exporter.ingest.classify import Classifier
from exporter.ingest.event import MAX_DURATION
from exporter.ledger.contract import FINGERPRINT_BYTES, KEY_BYTES
from tests.ingest.classifying import BASE, MAX_SKEW, at, classify, known_by, one, reason

# --- rules ----------------------------------------------------------------------------------------


def test_more_than_the_skew_ahead_is_rejected(classifier: Classifier) -> None:
    """Fails without the check of clock skew."""
    assert reason(classifier, occurred_at=at(MAX_SKEW)) is None
    assert reason(classifier, occurred_at=at(MAX_SKEW + 0.001)) == "clock_skew"
    assert reason(classifier, occurred_at="9999-12-31T23:59:59-23:59") == "clock_skew"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+00:01"])
def test_a_time_before_the_first_in_utc_is_rejected(classifier: Classifier, time: str) -> None:
    """It was an OverflowError from the encoder, and a 500."""
    assert reason(classifier, occurred_at=time, id="x") == "invalid_field"
    assert reason(classifier, occurred_at=time, session_id="x") == "invalid_field"


@pytest.mark.parametrize("time", ["0001-01-02T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_any_later_time_is_late(classifier: Classifier, time: str) -> None:
    assert one(classifier, occurred_at=time, session_id="s").late == 1


@pytest.mark.parametrize("id_", ["x", "x" * 128, "é" * 64, "😀" * 32])
def test_an_id_has_1_to_128_bytes(classifier: Classifier, id_: str) -> None:
    """Fails without the check of the length, in bytes."""
    assert reason(classifier, id=id_) is None
    assert reason(classifier, id=id_ + "x" * 128) == "invalid_field"
    assert reason(classifier, id=id_ + "é" * 64) == "invalid_field"
    assert reason(classifier, id="") == "invalid_field"


@pytest.mark.parametrize("seconds", [0, 0.0, -0.0, MAX_DURATION, 5e-324, 3])
def test_duration_is_0_to_a_year(classifier: Classifier, seconds: float) -> None:
    durations = one(classifier, duration_seconds=seconds).batch.durations
    assert durations is not None
    assert list(durations) == [float(seconds)]


@pytest.mark.parametrize(
    "seconds", ["-1", "-1e-9", "31622401", "1e300", "1e308", "1e999", "-1e999", "9" * 400]
)
@pytest.mark.parametrize("unknown", ["", ',"x":1'], ids=["fast", "careful"])
def test_other_durations_are_rejected(classifier: Classifier, seconds: str, unknown: str) -> None:
    """Fails without the bound: two of 1e308 made the exported sum infinite."""
    text = f'{{"system":"softdrive","duration_seconds":{seconds}{unknown}}}'
    (rejection,) = classify(classifier, text=text).rejected
    assert rejection.reason == "invalid_field"
    assert rejection.message.startswith("duration_seconds: must be ")


def test_absent_columns_are_left_out_of_the_batch(classifier: Classifier) -> None:
    batch = one(classifier).batch
    assert (batch.durations, batch.sessions) == (None, None)
    batch = classify(classifier, {"system": "softdrive"}, BASE).batch
    assert batch.durations == [12.5, None]
    assert batch.sessions == ["s-1", None]


def test_a_session_id_too_long_for_an_exemplar_is_none(classifier: Classifier) -> None:
    sessions = ["s" * 117, "s" * 118, ""]
    events = [{"system": "softdrive", "session_id": one, "id": one + "x"} for one in sessions]
    assert classify(classifier, *events).batch.sessions == ["s" * 117, None, None]


# --- good and bad in one request ------------------------------------------------------------------


def test_places_follow_the_events_through_rejection_and_reordering(
    classifier: Classifier,
) -> None:
    found = classify(
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
    assert list(found.places) == [2, 6, 0, 4, 7]
    assert [series.code for series in found.batch.series] == ["02", "06", "01", "03", "07"]
    assert [kind.code for kind in found.kinds] == ["02", "06", "01", "03", "07"]
    assert len(found.batch.keys) == 2 * KEY_BYTES
    assert len(found.batch.fingerprints) == 2 * FINGERPRINT_BYTES
    assert found.unkeyed == 3
    assert [(one.index, one.reason) for one in found.rejected] == [
        (1, "not_an_object"),
        (3, "unknown_system"),
        (5, "invalid_field"),
        (8, "clock_skew"),
        (9, "invalid_label"),
        (10, "not_an_object"),
    ]


def test_columns_follow_the_keyed_events_to_the_front(classifier: Classifier) -> None:
    found = classify(
        classifier,
        {"system": "softdrive", "duration_seconds": 1, "session_id": "no key"},
        {"system": "softdrive", "duration_seconds": 2, "session_id": "key", "id": "a"},
    )
    assert found.batch.durations == [2.0, 1.0]
    assert found.batch.sessions == ["key", "no key"]
    assert (
        known_by(found)[1]
        == known_by(
            classify(
                classifier,
                {"system": "softdrive", "duration_seconds": 2, "session_id": "key", "id": "a"},
            )
        )[1]
    )


def test_nothing_valid_is_an_empty_batch(classifier: Classifier) -> None:
    found = classify(classifier, {"system": "nope"}, 5)
    assert len(found.batch) == 0
    assert [one.index for one in found.rejected] == [0, 1]
