"""What an event counts as, and how much is remembered of it."""

from typing import Any

import pytest

from exporter.errors import Rejected
from exporter.ingest import series as series_module
from exporter.ingest.classify import Classifier
from exporter.ingest.series import Kinds
from exporter.ledger.contract import Family
from exporter.names import UNKNOWN
from exporter.taxonomy import PHASES, Code, Taxonomy
from tests.ingest.classifying import (
    BASE,
    CODES,
    MAX_AGE,
    MAX_SKEW,
    at,
    classify,
    one,
    reason,
    spelling,
)

# --- series ---------------------------------------------------------------------------------------


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


# --- what is remembered ---------------------------------------------------------------------------


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
