"""The series of an event, and the bound on remembered spellings."""

from typing import Any

import pytest

from exporter.ingest.classify import Classifier
from exporter.ingest.resolver import Resolver
from exporter.ledger.contract import Family
from exporter.names import UNKNOWN
from exporter.taxonomy.model import PHASES, Taxonomy
from tests.ingest.conftest import (
    BASE,
    MAX_AGE,
    MAX_SKEW,
    at,
    classify,
    classify_one,
    reason,
)


def spelling(code: Any) -> tuple[str, Any, None, None, tuple[str, ...]]:
    return ("softdrive", code, None, None, ("", ""))


@pytest.mark.parametrize("name", ["softdrive", "streampixel"])
def test_every_spelling_of_a_code_has_its_series(
    classifier: Classifier, taxonomy: Taxonomy, name: str
) -> None:
    system = taxonomy.systems[name]
    for code in system.codes:
        spellings: list[Any] = [code.code, f" {code.code.upper()} ", *code.aliases]
        if code == system.normal:
            spellings += [None, ""]
        classified = classify(classifier, *({"system": name, "code": each} for each in spellings))
        assert not classified.rejected
        assert len(set(map(id, classified.batch.series))) == 1, "series are interned"
        row = (name, code.code, code.phase, code.category, code.outcome.value)
        assert classified.batch.series[0].key == ("ends", *row, "", "")


@pytest.mark.parametrize("code", ["05", 17, "4008", -1, "x" * 500, 2**401, "é", " ", "0\x001"])
def test_undocumented_code_is_unknown_and_counts(classifier: Classifier, code: str | int) -> None:
    classified = classify_one(classifier, code=code)
    assert classified.batch.series[0].key[1:6] == (
        *("softdrive", UNKNOWN, UNKNOWN, UNKNOWN, "failure"),
    )
    raw = classified.resolved[0].unknown
    assert raw is not None
    assert 0 < len(raw) <= 128


@pytest.mark.parametrize(
    ("code", "expected"),
    [(18.0, "18"), (1.0, "01"), ("18.0", "18"), (5.0, UNKNOWN), (-0.0, UNKNOWN), (1e300, UNKNOWN)],
)
def test_whole_number_with_decimals_is_an_integer(
    classifier: Classifier, code: str | float, expected: str
) -> None:
    assert classify_one(classifier, code=code).resolved[0].code == expected


@pytest.mark.parametrize("system", ["Softdrive", "softdrive ", "it's"])
def test_name_of_a_system_is_exact(classifier: Classifier, system: str) -> None:
    assert reason(classifier, system=system) == "unknown_system"


@pytest.mark.parametrize("code", ["01", "05"], ids=["documented", "unknown"])
@pytest.mark.parametrize("phase", PHASES)
def test_phase_of_the_event_overrides_the_taxonomy(
    classifier: Classifier, code: str, phase: str
) -> None:
    assert classify_one(classifier, code=code, phase=phase).batch.series[0].phase == phase


@pytest.mark.parametrize("phase", ["Pre-Session", "PRE_SESSION", "Pre session", " preSession "])
def test_spelling_of_a_phase_does_not_matter(classifier: Classifier, phase: str) -> None:
    """Fails without the match: an event with the phase as the vendor writes it was rejected."""
    given, exact = (
        classify_one(classifier, id="x", phase=spelled) for spelled in (phase, "pre_session")
    )
    assert given.batch.series == exact.batch.series
    assert given.batch.fingerprints == exact.batch.fingerprints
    assert reason(classifier, phase=phase + " " * 64) == "invalid_field"


@pytest.mark.parametrize(
    ("final", "seconds", "family", "late"),
    [
        (None, 0, Family.ENDS, 0),
        (False, 0, Family.INTERRUPTIONS, 0),
        (True, -MAX_AGE, Family.ENDS, 0),
        (True, -MAX_AGE - 0.001, Family.LATE, 1),
        (None, -86400, Family.LATE, 1),
        (False, -86400, Family.INTERRUPTIONS, 0),
        (True, MAX_SKEW, Family.ENDS, 0),
    ],
)
def test_family_depends_on_finality_and_age(
    classifier: Classifier, final: bool | None, seconds: float, family: Family, late: int
) -> None:
    classified = classify_one(classifier, final=final, occurred_at=at(seconds))
    assert [series.family for series in classified.batch.series] == [family]
    assert classified.late == late


def test_only_old_events_of_a_request_are_late(classifier: Classifier) -> None:
    classified = classify(
        classifier,
        {**BASE, "id": "1"},
        {**BASE, "id": "2", "occurred_at": at(-MAX_AGE - 1)},
        {"system": "softdrive", "id": "3"},
        {**BASE, "id": "4", "occurred_at": at(-MAX_AGE)},
    )
    families = [series.family.value for series in classified.batch.series]
    assert families == ["ends", "late", "ends", "ends"]
    assert (classified.late, classified.delay) == (1, MAX_AGE + 1)
    assert classify_one(classifier).delay is None


def test_remembered_spellings_are_bounded_and_series_stay_interned(taxonomy: Taxonomy) -> None:
    """Fails without the bound on the cache: senders may invent any number of codes."""
    resolver = Resolver(taxonomy, lambda _labels: None)
    first = resolver[spelling("01")]
    for number in range(10_050):
        resolver[spelling(f"x{number}")]
    assert 0 < len(resolver) <= 10_000
    again = resolver[spelling("01")]
    assert first is not again
    assert first.series is again.series
    assert first.seed == again.seed


@pytest.mark.parametrize("code", ["01" + " " * 1000, "x" * 129, 2**61, -(2**400), 10**4000])
def test_long_spellings_are_not_remembered(taxonomy: Taxonomy, code: str | int) -> None:
    """Fails without the check: senders could send 10,000 codes of 1 MB, or integers chosen to have one
    hash."""
    resolver = Resolver(taxonomy, lambda _labels: None)
    assert resolver[spelling(code)].code == UNKNOWN
    assert not resolver
