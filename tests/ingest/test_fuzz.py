"""Hostile bodies by the thousand; by the ten million in `make faults` (row 16 of the fault table)."""

import json

import pytest

from exporter.ingest import careful, cloudevents, decode, labels
from exporter.ingest.classify import Classifier
from exporter.taxonomy import Taxonomy
from tests.faults.fuzz import Defect, fuzz
from tests.ingest.listener import JSON, NDJSON, Listener

CLOUDEVENT = {b"content-type": b"application/cloudevents+json"}


def test_no_hostile_body_is_more_than_refused(taxonomy: Taxonomy) -> None:
    """Fails on each mutant of the next test."""
    found = fuzz(30_000, 1, taxonomy)
    assert found.inputs == 30_000
    # Inputs that are all refused at the first byte would prove nothing.
    assert min(found.fast, found.classified - found.fast, found.refused) > 2000
    assert min(found.events, found.rejected) > 3000
    assert set(found.statuses) >= {"200", "400", "422"}
    assert found.scrapes == 6


def duplicates_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decode, "_keys", lambda _text: 0)
    patch.setattr(decode, "_filled", lambda _columns: 0)


def halves_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(careful, "_text", lambda _name, _value: None)


def controls_pass(patch: pytest.MonkeyPatch) -> None:
    class Nothing:
        search = staticmethod(lambda _value: None)

    patch.setattr(labels, "_FORBIDDEN", Nothing())


def numbers_pass(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Classifier, "_screen", lambda _self, _events, _now: None)


def base64_is_trusted(patch: pytest.MonkeyPatch) -> None:
    def trusting(envelope: dict[str, object], _max_depth: int) -> dict[str, object]:
        return json.loads(str(envelope["data_base64"])) if "data_base64" in envelope else {}

    patch.setattr(cloudevents, "_data", trusting)


@pytest.mark.parametrize(
    "mutant", [duplicates_pass, halves_pass, controls_pass, numbers_pass, base64_is_trusted]
)
def test_a_guard_that_is_missing_is_found(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch, mutant: object
) -> None:
    assert callable(mutant)
    mutant(monkeypatch)
    with pytest.raises(Defect, match="input "):
        fuzz(30_000, 1, taxonomy)


# --- what it found --------------------------------------------------------------------------------


def test_a_cloudevent_s_time_of_half_a_surrogate_pair_is_rejected(listener: Listener) -> None:
    """It was answered 500."""
    event = {"specversion": "1.0", "id": "a", "source": "/", "type": "end", "time": "\ud800"}
    answer = listener.post(
        json.dumps({**event, "data": {"system": "softdrive"}}).encode(), CLOUDEVENT
    )
    assert (answer.status, answer.json["rejected"][0]["reason"]) == (422, "invalid_field")


@pytest.mark.parametrize("headers", [JSON, NDJSON], ids=["json", "ndjson"])
@pytest.mark.parametrize("unknown", ["", ',"x":1'], ids=["fast", "careful"])
def test_a_number_out_of_range_in_a_label_nobody_asked_for_costs_no_event(
    listener: Listener, headers: dict[bytes, bytes], unknown: str
) -> None:
    """With an unknown field beside it, which the fast path leaves to the careful one, it did."""
    body = f'{{"id":"a","system":"softdrive","labels":{{"zone":[-1e999]}}{unknown}}}'
    assert listener.post(body.encode(), headers).json["accepted"] == 1


@pytest.mark.parametrize("unknown", ["", ',"x":1'], ids=["fast", "careful"])
def test_labels_that_are_deep_and_no_object_have_one_reason(
    listener: Listener, unknown: str
) -> None:
    body = f'{{"id":"a","system":"softdrive","labels":{"[" * 40}{"]" * 40}{unknown}}}'
    answer = listener.post(body.encode())
    assert [one["reason"] for one in answer.json["rejected"]] == ["too_deep"]
