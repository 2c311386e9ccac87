"""Ids of events: stable and distinct."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from exporter.send import events
from exporter.send.events import normalized, numbered_id

from .conftest import Sender

SAME = '{"system": "softdrive", "code": 8}\n'


def test_id_of_a_content_never_changes(sender: Sender) -> None:
    """The next release must recognize repeated events: change this id only together with the prefix."""
    event = {"system": "softdrive", "code": 8, "session_id": "é", "phase": "stream", "final": False}
    event |= {"duration_seconds": 12, "labels": {"b": "2", "a": "1"}, "unknown": 1}
    sender.lines(json.dumps(event | {"occurred_at": "2026-11-20T19:00:00Z"}))
    content = (
        '["8",12.0,false,{"a":"1","b":"2"},"2026-11-20T19:00:00Z","stream","\\u00e9","softdrive"]'
    )
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    assert list(sender.counted) == [f"send1-{digest}-1"]
    sender.lines('{"system": "softdrive", "id": "mine"}\n')
    assert list(sender.counted)[1:] == ["mine"]


def test_user_is_sent_and_is_not_in_the_id(sender: Sender) -> None:
    """Fails when the id contains an unkeyed hash of the user, or when `user_id` is taken for `user`."""
    sender.lines(
        '{"system": "softdrive", "User": "u-7"}\n{"system": "softdrive", "user_id": "u-8"}\n'
    )
    first, second = sender.counted.values()
    assert (first["user"], "user" in second) == ("u-7", False)
    assert first["id"].removesuffix("1") == second["id"].removesuffix("2")
    assert "user_id (near `user`)" in sender.output
    assert normalized({"user": "undefined"}) == {}


def test_identical_rows_of_a_file_are_distinct_events_and_copies_are_not(sender: Sender) -> None:
    first = sender.lines(SAME * 3)
    grown = sender(sender.file("grown.ndjson", SAME * 5), sender.path, batch=1)
    assert (first.accepted, grown.accepted, grown.duplicates) == (3, 2, 6)
    assert sender.output.count("counts as the same event") == 2
    sender.lines('{"system": "softdrive", "session_id": "s"}\n')
    assert "counts as the same event" not in sender.output


def test_ids_of_an_endless_input_are_distinct_in_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails when all numbers begin at 1 again after the contents are forgotten, or when none do."""
    monkeypatch.setattr(events, "_MAX_CONTENTS", 3)

    def ids() -> Iterator[str]:
        seen = Counter[bytes]()
        for n in range(1000):
            yield numbered_id({"code": str(n % 7 % 5)}, seen)
            assert len(seen) <= 4

    assert len({*ids()}) == 1000
    assert [*ids()] == [*ids()]
    seen = Counter[bytes]()
    sessions = [{"session_id": f"s-{n}", "occurred_at": "2026-11-20T19:00:00Z"} for n in range(20)]
    assert all(numbered_id(fields, seen).endswith("-1") for fields in sessions)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SAME, '{"code": "8", "system": "softdrive", "final": true, "labels": {}, "phase": null}'),
        (SAME, '{"system": "softdrive", "code": 8, "id": "", "labels": {"a": ""}, "more": [1]}'),
        (SAME, '{"system": "softdrive", "code": 8, "id": "null", "session_id": "undefined"}'),
        (SAME[:-2] + ', "duration_seconds": 0}', SAME[:-2] + ', "duration_seconds": -0.0}'),
    ],
)
def test_another_spelling_of_the_same_content_has_the_same_id(
    first: str, second: str, sender: Sender
) -> None:
    assert sender.lines(first).accepted == 1
    assert sender.lines(second).duplicates == 1


def test_integer_id_is_text_and_another_type_is_left_to_the_exporter() -> None:
    integers = {"code": 1, "id": 2, "session_id": 3, "user": 4}
    assert normalized(integers) == {name: str(value) for name, value in integers.items()}
    assert normalized({"id": [1], "session_id": {}}) == {"id": [1], "session_id": {}}
    assert normalized({"code": "undefined"}) == {"code": "undefined"}
    assert normalized({"id": True, "user": 1.5}) == {"id": True, "user": 1.5}


def test_duration_beyond_any_float_is_left_to_the_exporter(sender: Sender) -> None:
    row = '{"system": "softdrive", "duration_seconds": 1' + "0" * 400 + "}\n"
    assert sender.lines(row).accepted == 1
