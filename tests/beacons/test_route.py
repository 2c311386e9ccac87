"""Beacons: who may send them, what is counted, and what is said of it."""

import asyncio
from pathlib import Path

import pytest
from xxhash import xxh3_128_digest

from exporter.errors import LedgerUnavailable
from exporter.ingest.keys import Sources
from exporter.ledger.contract import Batch, Receipt
from exporter.taxonomy import Taxonomy
from tests.beacons.browsers import (
    EVENT,
    KEY,
    OLD_KEY,
    SHOP,
    SITES,
    Browsers,
    refused,
)
from tests.ingest.listener import Answer, Listener

ALLOW = b"access-control-allow-origin"


def test_an_event_is_counted_for_the_keys_system_and_nothing_is_said(browsers: Browsers) -> None:
    answer = browsers.post()
    assert (answer.status, answer.body) == (204, b"")
    assert browsers.ends() == [("streampixel", "4001", "ends")]
    assert browsers.listener.value("accepted_events_total") == 1
    assert browsers.listener.value("requests_total", status="204") == 1


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain;charset=UTF-8", "application/json", "Application/JSON"]
)
def test_several_events_in_text_or_json(browsers: Browsers, kind: str) -> None:
    events = [{"id": "a", "code": 4001}, {"id": "b", "code": "1006", "final": False}]
    assert browsers.post(events, content_type=kind).status == 204
    assert browsers.ends() == [
        ("streampixel", "4001", "ends"),
        ("streampixel", "1006", "interruptions"),
    ]


def test_two_keys_of_a_site_are_valid_at_once(browsers: Browsers) -> None:
    assert browsers.post({"id": "a"}).status == 204
    assert browsers.post({"id": "b"}, key=OLD_KEY).status == 204
    assert len(browsers.ends()) == 2


@pytest.mark.parametrize("key", ["nobody's", "sha256:0", KEY + "x", KEY[:-1], KEY.upper()])
def test_an_unknown_key_is_404_and_counted_apart_from_paths(browsers: Browsers, key: str) -> None:
    refused(browsers, browsers.post(key=key), 404, "unknown_key")


@pytest.mark.parametrize("key", ["", f"{KEY}/", f"x/{KEY}"])
def test_a_path_with_no_key_or_more_than_one_segment_is_none(browsers: Browsers, key: str) -> None:
    refused(browsers, browsers.post(key=key), 404, "not_found")


def test_the_key_is_in_no_answer_and_no_log(
    browsers: Browsers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        browsers.post(origin="https://evil.example"),
        browsers.post(b"{"),
        browsers.post({}),
        browsers.post(method="GET"),
    ]
    said = b"".join(answer.body for answer in answers).decode() + capsys.readouterr().err
    assert KEY not in said


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_nothing_is_read_with_a_key(browsers: Browsers, method: str) -> None:
    browsers.post()
    answer = browsers.post(method=method)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"POST, OPTIONS")
    for path in (f"/v1/session-ends?key={KEY}", f"/v1/beacons/{KEY}/events", "/metrics"):
        found = browsers.listener.post(b"", {b"origin": SHOP.encode()}, path=path, method="GET")
        assert found.status in (404, 405)


def test_an_answer_does_not_say_whether_an_id_was_counted_before(browsers: Browsers) -> None:
    """Fails when duplicates are named, or conflicts: with a public key anybody could ask."""
    answers = [
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4002}),
    ]
    assert {(one.status, one.body, frozenset(one.headers.items())) for one in answers} == {
        (204, b"", frozenset(answers[0].headers.items()))
    }
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.value("rejected_events_total", reason="conflict") == 1


def test_a_retry_is_a_duplicate_although_its_age_is_measured_anew(browsers: Browsers) -> None:
    """Fails when an age is part of an event's print: every retry was a conflict."""
    browsers.post({"id": "a", "code": 4001, "age_seconds": 0.25, "duration_seconds": 9})
    browsers.listener.now += 31.7
    browsers.post({"id": "a", "code": 4001, "age_seconds": 32.1, "duration_seconds": 9})
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.total("rejected_events_total") == 0


def test_ids_are_a_sites_own(browsers: Browsers) -> None:
    """Fails without the site in the key: whoever knew a session's id took its event away."""
    browsers.post({"id": "s-91", "code": 1000})
    trusted = {"system": "streampixel", "id": "s-91", "code": 4001}
    answer = browsers.listener.send(trusted)
    assert answer.json == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_no_id_of_a_browser_can_be_made_to_have_the_key_of_somebody_elses(
    browsers: Browsers,
) -> None:
    """Fails when XXH3 sees it as it was sent: this one was calculated from the id that was to come."""
    coming, made = "session-2026-11-20-583604", "bkx\x11pN.U?\x0e;\\RqBI"
    seeds = Sources()
    key = xxh3_128_digest(coming.encode(), seeds["streampixel", ""])
    assert xxh3_128_digest(made.encode(), seeds["streampixel", "beacon:shop"]) == key
    assert browsers.post({"id": made, "code": 1000}).status == 204
    trusted = {"system": "streampixel", "id": coming, "code": 4001}
    assert browsers.listener.send(trusted).json["accepted"] == 1


def test_what_is_rejected_is_named_and_the_rest_is_counted(browsers: Browsers) -> None:
    events = [{"id": "a"}, {"id": "b", "code": True}, {"id": "c"}, 5]
    answer = browsers.post(events)
    assert answer.status == 200
    assert set(answer.json) == {"rejected"}
    assert [(one["index"], one["reason"]) for one in answer.json["rejected"]] == [
        (1, "invalid_field"),
        (3, "not_an_object"),
    ]
    assert len(browsers.ends()) == 2


def test_another_system_than_the_keys_is_rejected_by_its_own_reason(browsers: Browsers) -> None:
    answer = browsers.post(
        [{"id": "a", "system": "streampixel"}, {"id": "b", "system": "softdrive"}]
    )
    (one,) = answer.json["rejected"]
    assert (one["index"], one["reason"]) == (1, "foreign_system")
    assert "'streampixel'" in one["message"]
    assert browsers.listener.value("rejected_events_total", reason="foreign_system") == 1


def test_when_the_ledger_cannot_take_it_the_page_is_told_to_come_again(browsers: Browsers) -> None:
    browsers.listener.memory.refusal = LedgerUnavailable("disk", retry_after=5)
    answer = browsers.post()
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    assert answer.headers[ALLOW] == SHOP.encode()
    browsers.listener.memory.refusal = None
    assert browsers.post().status == 204


class Slow:
    """A ledger that takes its time; tests nothing else of one."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.full = asyncio.Event()
        self.waiting = 0

    async def commit(self, batch: Batch) -> Receipt:
        self.waiting += len(batch)
        if self.waiting >= 10:
            self.full.set()
        await self.go.wait()
        return Receipt(len(batch))


def test_beacons_fill_no_more_than_their_share_of_the_queue(
    taxonomy: Taxonomy, tmp_path: Path
) -> None:
    """Fails without the share: while the disk hung, browsers took the places of all other senders."""

    async def run() -> tuple[list[Answer], Answer]:
        browsers = Browsers(taxonomy, tmp_path, queue_events=10)
        slow = Slow()
        browsers.listener.pipeline._ledger = slow  # type: ignore[assignment]
        first = [
            asyncio.create_task(browsers.answer([{"id": f"{number}-{at}"} for at in range(5)]))
            for number in range(2)
        ]
        await slow.full.wait()
        # Without the share it waits for the ledger, as everybody then does.
        more = await asyncio.wait_for(browsers.answer(EVENT), 60)
        slow.go.set()
        answers = [await one for one in first]
        assert (await browsers.answer({"id": "after"})).status == 204
        return answers, more

    answers, more = asyncio.run(run())
    assert [one.status for one in answers] == [204, 204]
    assert (more.status, more.json["reason"]) == (503, "queue_full")
    assert more.headers[ALLOW] == SHOP.encode()


def test_a_key_that_is_taken_out_of_the_file_is_refused_a_second_later(browsers: Browsers) -> None:
    assert browsers.post({"id": "a"}, key=OLD_KEY).status == 204
    lines = SITES.replace(f', "{SITES.split(chr(34))[3]}"', "")
    assert lines != SITES
    browsers.file.write_text(lines)
    browsers.now += 1.5
    assert browsers.post({"id": "b"}, key=OLD_KEY).status == 404
    assert browsers.post({"id": "c"}).status == 204


def test_without_the_setting_there_is_no_such_path(taxonomy: Taxonomy) -> None:
    answer = Listener(taxonomy).post(b"{}", {b"origin": SHOP.encode()}, path=f"/v1/beacons/{KEY}")
    assert (answer.status, answer.json["reason"]) == (404, "not_found")
