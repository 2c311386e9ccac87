"""What an event counts as, and what it is known by."""

import json
from datetime import timedelta
from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest import series as series_module
from exporter.ingest.classify import Classified, Classifier
from exporter.ingest.decode import Decoder
from exporter.ingest.keys import Sources
from exporter.ingest.labels import LabelValues
from exporter.ingest.media import Media
from exporter.ingest.series import Kinds
from exporter.ledger.contract import KEY_BYTES, PRINT_BYTES, Family
from exporter.names import UNKNOWN
from exporter.taxonomy import PHASES, Code, Taxonomy
from exporter.taxonomy.loader import load
from tests.ingest.listener import LABELS, NOW

MAX_AGE, MAX_SKEW = 900, 300
CODES = [code for system in load().systems.values() for code in system.codes]
BASE: dict[str, Any] = {
    "system": "streampixel",
    "code": 4001,
    "id": "e-1",
    "session_id": "s-1",
    "occurred_at": "2026-11-20T18:59:00Z",
    "duration_seconds": 12.5,
    "phase": "connect",
    "final": True,
    "labels": {"region": "eu"},
}
KEYLESS = {name: value for name, value in BASE.items() if name != "id"}


@pytest.fixture
def classifier(taxonomy: Taxonomy) -> Classifier:
    return Classifier(taxonomy, LabelValues(LABELS, 50, 32), MAX_AGE, MAX_SKEW)


def classify(classifier: Classifier, *events: Any, text: str = "") -> Classified:
    body = (text or json.dumps(events)).encode()
    decoded = Decoder(1000, 32).decode(Media.JSON, body, {})
    return classifier.classify(decoded, NOW.timestamp())


def one(classifier: Classifier, **fields: Any) -> Classified:
    return classify(classifier, {"system": "softdrive", **fields})


def reason(classifier: Classifier, **fields: Any) -> str | None:
    rejected = one(classifier, **fields).rejected
    return rejected[0].reason if rejected else None


def known_by(found: Classified) -> tuple[list[bytes], list[bytes]]:
    keys, prints = found.batch.keys, found.batch.prints
    return (
        [keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES)],
        [prints[at : at + PRINT_BYTES] for at in range(0, len(prints), PRINT_BYTES)],
    )


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


# --- series -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"{code.system}-{code.code}")
def test_every_spelling_of_a_code_counts_in_its_series(
    classifier: Classifier, taxonomy: Taxonomy, code: Code
) -> None:
    spellings: list[Any] = [
        text for text, owner in taxonomy.systems[code.system].spellings.items() if owner == code
    ]
    spellings.append(code.code)
    spellings += [text.upper() for text in spellings]
    spellings += [f"  {text} " for text in spellings]
    spellings += [int(text) for text in spellings if text.isdecimal() and text[0] != "0"]
    if code == taxonomy.systems[code.system].normal:
        spellings += [None, ""]
    found = classify(
        classifier, *({"system": code.system, "code": spelling} for spelling in spellings)
    )
    assert not found.rejected
    assert len(set(map(id, found.batch.series))) == 1, "series are interned"
    row = (code.system, code.code, code.phase, code.category, code.outcome.value)
    assert found.batch.series[0].key == ("ends", *row, "", "")


@pytest.mark.parametrize("code", ["05", "16", 17, "4008", -1, "x" * 500, 2**401, "é", " ", "01\n"])
@pytest.mark.parametrize("system", ["softdrive", "streampixel"])
def test_a_code_nobody_documented_is_unknown_and_counts(
    classifier: Classifier, system: str, code: str | int
) -> None:
    found = classify(classifier, {"system": system, "code": code})
    assert found.batch.series[0].key[1:6] == (system, UNKNOWN, UNKNOWN, UNKNOWN, "failure")
    raw = found.kinds[0].unknown
    assert raw is not None
    assert 0 < len(raw) <= 128


def test_an_unknown_code_keeps_the_phase_it_names(classifier: Classifier) -> None:
    assert one(classifier, code="05", phase="stream").batch.series[0].phase == "stream"


@pytest.mark.parametrize("system", ["", "Softdrive", "softdrive ", "nope", "\0"])
def test_an_unknown_system_is_rejected_with_those_that_are_known(
    classifier: Classifier, system: str
) -> None:
    (rejection,) = classify(classifier, {"system": system}).rejected
    assert rejection.reason == "unknown_system"
    assert "softdrive, streampixel" in rejection.message


@pytest.mark.parametrize("phase", PHASES)
def test_a_named_phase_overrides_the_taxonomys(classifier: Classifier, phase: str) -> None:
    assert one(classifier, code="01", phase=phase).batch.series[0].phase == phase


@pytest.mark.parametrize("phase", ["", "Stream", "unknown", "x" * 1000])
def test_a_phase_is_one_of_the_five(classifier: Classifier, phase: str) -> None:
    assert reason(classifier, phase=phase) == "invalid_field"


def test_labels_are_in_the_series_in_the_settings_order(classifier: Classifier) -> None:
    found = one(classifier, labels={"project": "p", "region": "r", "user": "bob"})
    assert found.batch.series[0].labels == ("r", "p")


@pytest.mark.parametrize(
    ("final", "seconds", "family", "late"),
    [
        (None, 0, Family.ENDS, 0),
        (True, 0, Family.ENDS, 0),
        (False, 0, Family.INTERRUPTIONS, 0),
        (True, -MAX_AGE, Family.ENDS, 0),
        (True, -MAX_AGE - 0.001, Family.LATE, 1),
        (None, -86400, Family.LATE, 1),
        (False, -86400, Family.INTERRUPTIONS, 0),
        (True, MAX_SKEW, Family.ENDS, 0),
    ],
)
def test_an_event_counts_in_one_family_by_finality_and_age(
    classifier: Classifier, final: bool | None, seconds: float, family: Family, late: int
) -> None:
    found = one(classifier, final=final, occurred_at=at(seconds))
    assert [series.family for series in found.batch.series] == [family]
    assert found.late == late


def test_only_the_old_events_of_a_request_are_late(classifier: Classifier) -> None:
    found = classify(
        classifier,
        {**BASE, "id": "1"},
        {**BASE, "id": "2", "occurred_at": at(-MAX_AGE - 1)},
        {"system": "softdrive", "id": "3"},
        {**BASE, "id": "4", "occurred_at": at(-MAX_AGE)},
    )
    families = [series.family.value for series in found.batch.series]
    assert families == ["ends", "late", "ends", "ends"]
    assert found.late == 1
    assert found.delay == MAX_AGE + 1


def test_without_times_there_is_no_delay(classifier: Classifier) -> None:
    assert one(classifier).delay is None


# --- rules ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("seconds", [0, 0.0, -0.0, 1e308, 5e-324, 3])
def test_a_duration_is_finite_and_not_negative(classifier: Classifier, seconds: float) -> None:
    durations = one(classifier, duration_seconds=seconds).batch.durations
    assert durations is not None
    assert list(durations) == [float(seconds)]


@pytest.mark.parametrize("seconds", ["-1", "-1e-9", "1e999", "-1e999", "9" * 400])
def test_other_durations_are_rejected(classifier: Classifier, seconds: str) -> None:
    text = f'{{"system":"softdrive","duration_seconds":{seconds}}}'
    (rejection,) = classify(classifier, text=text).rejected
    assert rejection.reason == "invalid_field"
    assert rejection.message.startswith("duration_seconds: ")


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


# --- keys and prints --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"id": "e-2"}, {"system": "softdrive"}, {"id": "E-1"}, {"id": "e-1 "}]
)
def test_another_id_or_system_is_another_key(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    first, second = known_by(classify(classifier, BASE, {**BASE, **change}))[0]
    assert first != second


@pytest.mark.parametrize("spelling", ["4001", " 4001", "Code 4001", "NO worker-node available"])
@pytest.mark.parametrize("time", ["2026-11-20T18:59:00.000Z", "2026-11-20T20:59:00+02:00"])
def test_without_an_id_the_key_is_of_system_session_code_and_time(
    classifier: Classifier, spelling: str, time: str
) -> None:
    found = classify(classifier, KEYLESS, {**KEYLESS, "code": spelling, "occurred_at": time})
    (first, second), (one_print, other_print) = known_by(found)
    assert first == second
    assert one_print == other_print
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
    assert (found.unkeyed, found.batch.keys, found.batch.prints) == (1, b"", b"")


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
    ],
)
def test_the_print_differs_when_a_field_does(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    (key, other_key), (one_print, other_print) = known_by(
        classify(classifier, BASE, {**BASE, **change})
    )
    assert key == other_key
    assert one_print != other_print


def test_two_unknown_codes_have_two_prints(classifier: Classifier) -> None:
    first, second = known_by(classify(classifier, *({**BASE, "code": one} for one in "ab")))[1]
    assert first != second


@pytest.mark.parametrize(
    "change",
    [
        {"code": "4001"},
        {"code": "error code 4001"},
        {"occurred_at": "2026-11-20T19:59:00+01:00"},
        {"occurred_at": "2026-11-20t18:59:00.000z"},
        {"final": None},
        {"phase": None},
        {"unknown": {"field": [1]}},
        {"labels": {"user": "bob", "region": "eu", "project": None}},
    ],
)
def test_the_print_is_the_same_when_only_the_spelling_differs(
    classifier: Classifier, change: dict[str, Any]
) -> None:
    first, second = known_by(classify(classifier, BASE, {**BASE, **change}))[1]
    assert first == second


def test_the_print_is_the_same_in_other_json(classifier: Classifier) -> None:
    first = known_by(classify(classifier, text=json.dumps(BASE)))
    second = known_by(classify(classifier, text=json.dumps({**BASE, "x": 1}, indent=3)))
    number = known_by(classify(classifier, text=json.dumps(BASE).replace("12.5", "125e-1")))
    assert first == second == number


# --- good and bad in one request --------------------------------------------------------------------


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
    assert len(found.batch.prints) == 2 * PRINT_BYTES
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


# --- what is remembered -----------------------------------------------------------------------------


def spelling(code: Any) -> tuple[str, Any, None, None, tuple[str, ...]]:
    return ("softdrive", code, None, None, ("", ""))


def test_the_memory_of_spellings_is_bounded(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails without the bound on the cache: senders make up codes without end."""
    monkeypatch.setattr(series_module, "_REMEMBERED", 10)
    kinds = Kinds(taxonomy)
    for number in range(50):
        kinds[spelling(f"x{number}")]
        assert len(kinds) <= 10


@pytest.mark.parametrize(
    "code", ["01" + " " * 1000, "x" * 129, 2**61, -(2**400), 10**4000, " " * 500]
)
def test_long_spellings_are_not_remembered(taxonomy: Taxonomy, code: str | int) -> None:
    """Fails without `_memorable`: 10,000 codes of a megabyte, or integers chosen to have one hash."""
    kinds = Kinds(taxonomy)
    assert kinds[spelling(code)].code == UNKNOWN
    assert not kinds


def test_equal_series_are_one_object_even_when_forgotten(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_module, "_REMEMBERED", 1)
    kinds = Kinds(taxonomy)
    first = kinds[spelling("01")]
    kinds[spelling("02")]
    again = kinds[spelling("01")]
    assert first is not again
    assert first.series is again.series
    assert first.seed == again.seed


def test_a_rejected_spelling_is_not_remembered(taxonomy: Taxonomy) -> None:
    kinds = Kinds(taxonomy)
    with pytest.raises(Rejected):
        kinds[("nope", None, None, None, ())]
    assert not kinds


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
