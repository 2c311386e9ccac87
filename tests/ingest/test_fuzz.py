"""Hostile bodies by the thousand; by the ten million in `make faults` (row 16 of the fault table)."""

import json
from collections.abc import Callable

import pytest

from exporter.ingest import cloudevents, event, labels, plain
from exporter.ingest.classify import Classifier
from exporter.taxonomy import Taxonomy
from tests.faults.fuzz import Defect, fuzz


def test_no_hostile_body_is_more_than_refused(taxonomy: Taxonomy) -> None:
    """Fails on each mutant of the next test."""
    report = fuzz(30_000, 1, taxonomy)
    assert report.inputs == 30_000
    # Inputs that are all refused at the first byte would prove nothing.
    assert min(report.fast, report.classified - report.fast, report.refused) > 2000
    assert min(report.events, report.rejected) > 3000
    assert set(report.statuses) >= {"200", "400", "422"}
    assert report.scrapes == 6


def accept_duplicates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plain, "has_quotes", lambda _body, _quotes: True)


def accept_surrogates(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(event, "checked_text", lambda _name, value: value)


def accept_control_characters(patch: pytest.MonkeyPatch) -> None:
    class Nothing:
        search = staticmethod(lambda _value: None)

    patch.setattr(labels, "_FORBIDDEN", Nothing())


def accept_any_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Classifier, "_validate", lambda _self, _events, _now: None)


def trust_base64(patch: pytest.MonkeyPatch) -> None:
    def trusting(envelope: dict[str, object], _max_depth: int) -> dict[str, object]:
        return json.loads(str(envelope["data_base64"])) if "data_base64" in envelope else {}

    patch.setattr(cloudevents, "_data", trusting)


@pytest.mark.parametrize(
    "mutant",
    [
        accept_duplicates,
        accept_surrogates,
        accept_control_characters,
        accept_any_number,
        trust_base64,
    ],
)
def test_missing_guard_is_found(
    taxonomy: Taxonomy,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
) -> None:
    mutant(monkeypatch)
    with pytest.raises(Defect, match="input "):
        fuzz(30_000, 1, taxonomy)
