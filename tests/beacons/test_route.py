"""Keys of sites, origins, answers to beacons, and the part of the ledger's queue that beacons may fill."""

from itertools import product

import pytest
from xxhash import xxh3_128_digest

from exporter import names
from exporter.errors import LedgerUnavailable
from exporter.ingest.keys import seed
from tests.beacons.conftest import ALLOW, DESK, KEY, OTHER_KEY, SHOP, SITES, Browsers
from tests.ingest.listener import Stream


@pytest.mark.parametrize("content_type", ["text/plain", "Application/JSON; charset=utf-8"])
def test_batch_is_text_or_json(browsers: Browsers, content_type: str) -> None:
    events = [{"id": "a", "code": 4001}, {"id": "b", "code": "1006", "final": False}]
    answer = browsers.post(events, content_type=content_type)
    assert (answer.status, answer.body) == (204, b"")
    assert browsers.ends() == [
        ("streampixel", "4001", "ends"),
        ("streampixel", "1006", "interruptions"),
    ]
    # No browser waits: a write for each beacon would delay other senders.
    assert all(batch.deferrable for batch in browsers.listener.memory.batches)


@pytest.mark.parametrize("key", ["unknown", "sha256:0", KEY + "x", KEY[:-1], KEY.upper()])
def test_unknown_key_is_404(browsers: Browsers, key: str) -> None:
    browsers.assert_refused(browsers.post(key=key), 404, "unknown_key")


def test_answers_and_logs_do_not_contain_the_key(
    browsers: Browsers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        browsers.post(origin="https://evil.example"),
        browsers.post(b"{"),
        browsers.post({}),
        browsers.post(method="GET"),
    ]
    text = b"".join(answer.body for answer in answers).decode() + capsys.readouterr().err
    assert KEY not in text


def test_key_reads_nothing(browsers: Browsers) -> None:
    """Row 20."""
    answer = browsers.post(method="GET")
    assert (answer.status, answer.headers[b"allow"]) == (405, b"POST, OPTIONS")


def test_answer_does_not_show_whether_an_id_was_counted(browsers: Browsers) -> None:
    """Fails when an answer names duplicates or conflicts: anyone with the public key could look up ids."""
    answers = [
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4001}),
        browsers.post({"id": "mine", "code": 4002}),
    ]
    assert answers[0].status == 204
    assert answers == [answers[0]] * 3
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.value("rejected_events_total", reason="conflict") == 1
    assert browsers.listener.clients == [""]


def test_retry_with_another_age_is_a_duplicate(browsers: Browsers) -> None:
    """Fails when the fingerprint contains the time: every retry was a conflict."""
    browsers.post({"id": "a", "code": 4001, "age_seconds": 0.25, "duration_seconds": 9})
    browsers.listener.now += 31.7
    browsers.post({"id": "a", "code": 4001, "age_seconds": 32.1, "duration_seconds": 9})
    assert browsers.listener.value("duplicate_events_total") == 1
    assert browsers.listener.total("rejected_events_total") == 0


@pytest.mark.parametrize(
    ("trusted", "browser"),
    [
        ("s-91", "s-91"),
        # Computed so that XXH3 has the same value for both.
        ("session-2026-11-20-583604", "bkx\x11pN.U?\x0e;\\RqBI"),
    ],
)
def test_browser_can_not_take_the_key_of_another_senders_event(
    browsers: Browsers, trusted: str, browser: str
) -> None:
    """Fails when the id is not hashed before XXH3."""
    key = xxh3_128_digest(trusted.encode(), seed("streampixel"))
    unhashed = xxh3_128_digest(browser.encode(), seed("streampixel", "beacon:shop"))
    assert (key == unhashed) == (trusted != browser)
    assert browsers.post({"id": browser, "code": 1000}).status == 204
    event = {"system": "streampixel", "id": trusted, "code": 4001}
    answer = browsers.listener.send(event)
    assert answer.json == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_sites_of_a_system_have_separate_ids(browsers: Browsers) -> None:
    """Fails without the site in the key: one site's browsers could use up another site's ids."""
    browsers.file.write_text(SITES.replace("softdrive", "streampixel"))
    browsers.now += 1.5
    assert browsers.post({"id": "a"}).status == 204
    assert browsers.post({"id": "a"}, key=OTHER_KEY, origin=DESK).status == 204
    assert browsers.listener.value("accepted_events_total") == 2


def test_rejected_events_are_named_and_the_others_counted(browsers: Browsers) -> None:
    events = [
        {"id": "a", "system": "streampixel"},
        {"id": "b", "code": True},
        {"id": "c", "system": "softdrive"},
        5,
        {"id": "d", "labels": {"region": []}},
    ]
    answer = browsers.post(events)
    assert answer.status == 200
    assert set(answer.json) == {"rejected"}
    rejected = answer.json["rejected"]
    assert [(rejection["index"], rejection["reason"]) for rejection in rejected] == [
        (1, "invalid_field"),
        (2, "foreign_system"),
        (3, "not_an_object"),
        (4, "invalid_label"),
    ]
    assert rejected[1]["message"] == "system: this key sends events of 'streampixel' only"
    assert browsers.listener.value("rejected_events_total", reason="foreign_system") == 1
    assert len(browsers.ends()) == 1


def test_unavailable_ledger_is_503_and_a_retry_counts(browsers: Browsers) -> None:
    browsers.listener.memory.refusal = LedgerUnavailable("disk", retry_after=5)
    answer = browsers.post()
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
    assert answer.headers[ALLOW] == SHOP.encode()
    browsers.listener.memory.refusal = None
    assert browsers.post().status == 204


# --- origins and headers -------------------------------------------------------------------------

CREDENTIALS = b"access-control-allow-credentials"


@pytest.mark.parametrize("origin", [SHOP, "https://www.shop.example"])
def test_allowed_origin_is_answered_by_name_with_credentials(
    browsers: Browsers, origin: str
) -> None:
    """Credentials are allowed for `sendBeacon`, which always sends them; they change no answer."""
    answer = browsers.post(origin=origin, cookie="session=1", authorization="Basic eDp5")
    assert answer.headers == {
        ALLOW: origin.encode(),
        CREDENTIALS: b"true",
        b"vary": b"origin",
        b"access-control-expose-headers": b"retry-after",
    }
    assert answer == browsers.post(origin=origin)


@pytest.mark.parametrize(
    ("method", "origin"),
    [
        ("OPTIONS", DESK),
        *product(("POST",), (None, "null", "*", SHOP + "/", SHOP + ":443", SHOP.upper(), DESK)),
        *product(("POST",), ("http://shop.example", f"{SHOP}.evil.example", f"{SHOP}, {SHOP}")),
        ("POST", SHOP + "x" * 100),
    ],
)
def test_other_origins_are_403_and_can_not_read_the_answer(
    browsers: Browsers, method: str, origin: str | None
) -> None:
    answer = browsers.post(origin=origin, method=method)
    browsers.assert_refused(answer, 403, "origin_not_allowed")
    fault = f"origin {(origin or '')[:80]!r} is not one of the site's origins"
    assert answer.json["detail"] == f"site 'shop': {fault}"
    assert not {ALLOW, CREDENTIALS} & set(answer.headers)
    assert answer.headers[b"vary"] == b"origin"


def test_preflight_is_204_and_counts_nothing(browsers: Browsers) -> None:
    requested = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "content-type",
    }
    answer = browsers.post(b"", method="OPTIONS", **requested)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {
        ALLOW: SHOP.encode(),
        CREDENTIALS: b"true",
        b"vary": b"origin",
        b"access-control-allow-methods": b"POST",
        b"access-control-allow-headers": b"content-type",
        b"access-control-max-age": b"7200",
    }
    assert browsers.ends() == []


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"content_type": "application/x-ndjson"}, 415, "media_type"),
        ({"content_type": ""}, 415, "media_type"),
        ({"content_encoding": "br"}, 415, "content_encoding"),
        ({"content_length": "65537"}, 413, "body_too_large"),
    ],
)
def test_wrong_headers_are_refused_before_the_body_is_read(
    browsers: Browsers, headers: dict[str, str], status: int, reason: str
) -> None:
    stream = Stream([b"x" * 1000, b"y"])
    answer = browsers.post(stream, **headers)
    browsers.assert_refused(answer, status, reason)
    assert answer.headers[ALLOW] == SHOP.encode()
    assert stream.read == 0


def test_body_has_at_most_64_kib(browsers: Browsers) -> None:
    event = b'{"id":"a"}' + b" " * 64 * 1024
    for size, status in ((65536, 204), (65537, 413)):
        assert browsers.post(Stream([event[:30_000], event[30_000:size]])).status == status
        browsers.now += 60


def test_bytes_without_a_content_type_are_counted(browsers: Browsers) -> None:
    """Fails when Content-Type is required: `sendBeacon` sends an ArrayBuffer without a Content-Type."""
    headers = {b"origin": SHOP.encode()}
    answer = browsers.listener.post(b'{"id": "a"}', headers, path=names.BEACONS_PATH + KEY)
    assert (answer.status, browsers.ends()) == (204, [("streampixel", "1000", "ends")])


def test_sender_that_leaves_gets_no_answer(browsers: Browsers) -> None:
    assert browsers.post(Stream([])).status == 0
