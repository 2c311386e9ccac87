"""What is noted of events that are counted."""

from exporter.taxonomy import Taxonomy
from tests.ingest.events import EVENT, keyless
from tests.ingest.listener import NOW, Listener


def test_unknown_codes_are_recorded_with_their_number(listener: Listener) -> None:
    """Fails when a kind is recorded once whatever its events: it was."""
    codes = ["05", "05", 17, "01", "05"]
    listener.send(*({**EVENT, "code": code, "id": str(at)} for at, code in enumerate(codes)))
    listener.send({"system": "streampixel", "code": "x"})
    assert listener.value("unknown_code_events_total", system="softdrive") == 4
    assert listener.value("unknown_code_events_total", system="streampixel") == 1
    found = {(one.system, one.code): one.count for one in listener.unknown.snapshot()}
    assert found == {("softdrive", "05"): 3, ("softdrive", "17"): 1, ("streampixel", "x"): 1}
    assert all(one.last_seen == NOW.timestamp() for one in listener.unknown.snapshot())


def test_capped_labels_are_counted_by_name(taxonomy: Taxonomy) -> None:
    listener = Listener(taxonomy, most=2)
    listener.send(*(keyless(labels={"region": f"r{n}", "project": "p"}) for n in range(5)))
    assert listener.value("capped_label_values_total", label="region") == 3
    assert listener.value("capped_label_values_total", label="project") == 0
    (batch,) = listener.memory.batches
    assert [one.labels[0] for one in batch.series] == ["r0", "r1", "other", "other", "other"]


def test_late_events_are_counted_and_interruptions_are_not_late(listener: Listener) -> None:
    old = "2026-11-20T10:00:00Z"
    listener.send(
        {**EVENT, "occurred_at": old},
        {**EVENT, "id": "e-2", "occurred_at": old, "final": False},
        {**EVENT, "id": "e-3"},
    )
    assert listener.value("late_events_total") == 1


def test_a_retry_is_not_noted_again(taxonomy: Taxonomy) -> None:
    """Fails when duplicates are noted: a retry storm would look like a vendor's new release."""
    listener = Listener(taxonomy, most=1)
    events = [
        {**EVENT, "id": f"{n}", "code": "05", "labels": {"region": f"r{n}"}, "occurred_at": old}
        for n, old in enumerate(["2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z"])
    ]
    listener.send(*events)
    before = listener.unknown.snapshot()
    noted = [
        listener.total(name)
        for name in ("unknown_code_events_total", "capped_label_values_total", "late_events_total")
    ]
    assert noted == [2, 1, 2]
    assert listener.send(*events, {**EVENT, "id": "2"}).json["duplicates"] == 2
    assert noted == [
        listener.total(name)
        for name in ("unknown_code_events_total", "capped_label_values_total", "late_events_total")
    ]
    assert listener.unknown.snapshot() == before


def test_the_delay_is_of_the_oldest_event_and_never_negative(listener: Listener) -> None:
    listener.send(
        {**EVENT, "occurred_at": "2026-11-20T18:59:00Z"}, {**EVENT, "occurred_at": NOW.isoformat()}
    )
    listener.send({**EVENT, "id": "e-2", "occurred_at": "2026-11-20T19:01:00Z"})
    listener.send({**EVENT, "id": "e-3"})
    assert listener.value("event_delay_seconds_count") == 2
    assert listener.value("event_delay_seconds_sum") == 60
