"""Delivery of ends by the collector: retries, storage and several tabs."""

import pytest
from playwright.sync_api import Route

from tests.collector.visitor import KEPT, Visitor, end
from tests.e2e.exporter_process import ExporterProcess, wait_for

DENIED = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("denied", "SecurityError"); },
});"""
UNAVAILABLE = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "retry-after",
}
"""Headers of an answer that asks for a retry."""
FILL = """() => {
    let size = 1 << 20;
    while (size >= 1) {
        try { localStorage["full" + size + Math.random()] = "x".repeat(size); }
        catch { size /= 2; }
    }
}"""


def test_end_without_a_network_is_retried_rarely_until_it_is_sent(visitor: Visitor) -> None:
    page = visitor.open()
    failed: list[str | None] = []
    page.on("requestfailed", lambda request: failed.append(request.failure))
    visitor.context.set_offline(True)
    page.evaluate("sdk.play(); sdk.close(4006)")
    for _ in range(60):
        visitor.advance(page, 10)
        # A request takes real time, while the page's clock stands still.
        wait_for(lambda: page.evaluate("1") and len(failed) == len(visitor.sent))
    assert 4 <= len(visitor.sent) <= 10
    assert page.evaluate(KEPT) == 1
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4006))


def test_unsent_end_is_sent_on_the_next_visit(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.context.set_offline(True)
    visitor.close(page)
    visitor.context.set_offline(False)
    visitor.assert_counted({})
    visitor.wait_until_sent(visitor.open())
    visitor.assert_counted(end(1001))


def test_one_request_is_in_flight_at_a_time(visitor: Visitor) -> None:
    pending: list[Route] = []

    def delay(route: Route) -> None:
        pending.append(route)

    visitor.context.route("**/v1/beacons/**", delay, times=1)
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    page.evaluate("SessionEndCollector.end(4002)")
    visitor.advance(page, 10)
    assert len(visitor.sent) == 1
    pending[0].continue_()
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4001) | end(4002))
    assert len(visitor.sent) == 2


@pytest.mark.parametrize("denied", [False, True], ids=["full", "denied"])
def test_page_without_storage_sends_its_ends(visitor: Visitor, denied: bool) -> None:
    if denied:
        visitor.context.add_init_script(DENIED)
    page = visitor.open()
    if not denied:
        page.evaluate(FILL)
    page.evaluate("sdk.play(); sdk.close(1000); sdk.play()")
    assert denied or page.evaluate(KEPT) == 0
    visitor.advance(page, 1)
    visitor.close(page)
    visitor.assert_counted(end(1000) | end(1001))


def test_closed_tab_without_keepalive_uses_send_beacon(visitor: Visitor) -> None:
    visitor.context.add_init_script("delete Request.prototype.keepalive")
    page = visitor.open()
    page.evaluate(
        """() => {
            const send = navigator.sendBeacon;
            navigator.sendBeacon = function (...sent) {
                localStorage.beacons = send.apply(this, sent);
            };
            sdk.play();
        }"""
    )
    visitor.close(page)
    visitor.assert_counted(end(1001))
    assert visitor.open("/elsewhere").evaluate("localStorage.beacons") == "true"


def test_two_tabs_lose_and_double_nothing(visitor: Visitor) -> None:
    first, second = visitor.open(), visitor.open()
    visitor.context.set_offline(True)
    for _ in range(3):
        first.evaluate("SessionEndCollector.end(4001)")
        second.evaluate("SessionEndCollector.end(4006)")
    visitor.advance(first, 1)
    visitor.advance(second, 1)
    assert first.evaluate(KEPT) == 6
    visitor.context.set_offline(False)
    visitor.advance(first, 30)
    visitor.advance(second, 30)
    visitor.wait_until_sent(first)
    visitor.assert_counted(end(4001, 3) | end(4006, 3))


def test_newest_hundred_ends_are_kept(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.context.set_offline(True)
    page.evaluate("for (let n = 0; n < 30; n++) SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    # Labels that are too long to be stored, and labels of three bytes per character.
    for length in (5000, 700):
        labels = f"{{ labels: {{ project: '語'.repeat({length}) }} }}"
        page.evaluate(f"for (let n = 0; n < 50; n++) SessionEndCollector.end(4006, {labels})")
    visitor.advance(page, 600)
    assert page.evaluate(KEPT) == 100
    assert page.evaluate("JSON.stringify(localStorage).length") < 130_000
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4006, 100))


def test_retry_after_of_the_exporter_is_obeyed(visitor: Visitor) -> None:
    """The site may send an event per 10 s with a burst of 1, so the second event is refused."""
    page = visitor.open("/slow")
    page.evaluate("SessionEndCollector.end(1000)")
    visitor.assert_delivered(page, end(1000))
    page.evaluate("SessionEndCollector.end(4001)")
    with page.expect_response("**/v1/beacons/**") as refused:
        visitor.advance(page, 0.001)
    assert refused.value.status == 429
    seconds = int(refused.value.header_value("retry-after") or 0)
    assert 1 <= seconds <= 10
    page.evaluate("SessionEndCollector.end(4002)")
    visitor.advance(page, seconds - 0.1)
    assert len(visitor.sent) == 2
    # At most twice the time, because the wait is random.
    with page.expect_request("**/v1/beacons/**"):
        visitor.advance(page, seconds + 1)


def test_retry_after_with_a_date_does_not_hasten_retries(visitor: Visitor) -> None:
    """Fails when a date is parsed as seconds: the result is NaN, and retries followed without a wait."""
    answer = UNAVAILABLE | {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}
    visitor.context.route(
        "**/v1/beacons/**", lambda route: route.fulfill(status=503, headers=answer)
    )
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(1000)")
    with page.expect_response("**/v1/beacons/**"):
        visitor.advance(page, 0.04)
    # The first retry is due after 1 to 2 s.
    for _ in range(20):
        visitor.advance(page, 0.04)
    assert len(visitor.sent) == 1
    visitor.context.unroute_all()
    visitor.assert_delivered(page, end(1000), after=10)


def test_end_for_a_replaced_key_does_not_block_others(visitor: Visitor) -> None:
    """Fails when the oldest end is always sent first: an end that was refused and kept blocked all others."""
    answer = UNAVAILABLE | {"retry-after": "3600"}
    visitor.context.route(
        "**/v1/beacons/replaced", lambda route: route.fulfill(status=503, headers=answer)
    )
    old = visitor.open("/bare")
    old.evaluate("SessionEndCollector.start({ key: 'replaced' }); SessionEndCollector.end(4001)")
    visitor.advance(old, 1)
    visitor.close(old)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(4006)")
    visitor.wait_until_sent(page, kept=1)
    visitor.assert_counted(end(4006))
    tries = len(visitor.sent)
    visitor.advance(page, 600)
    page.evaluate("sdk.play(); sdk.close(4001)")
    visitor.wait_until_sent(page, kept=1)
    visitor.assert_counted(end(4006) | end(4001))
    # The old end was not sent again in these ten minutes.
    assert len(visitor.sent) <= tries + 2


def test_rejected_end_is_not_sent_again(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(4001, { duration_seconds: 'long' })")
    visitor.advance(page, 1)
    visitor.wait_until_sent(page)
    visitor.advance(page, 600)
    assert len(visitor.sent) == 1
    visitor.assert_counted({})


def test_end_with_a_duration_out_of_range_is_counted(visitor: Visitor) -> None:
    """Fails when the exporter rejects the end, as after the correction of a clock: the page deleted it."""
    page = visitor.open()
    page.evaluate("sdk.play()")
    page.clock.fast_forward(8 * 86_400_000)
    page.evaluate("sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))


def test_end_before_start_is_sent_after_it(visitor: Visitor) -> None:
    page = visitor.open("/bare")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("SessionEndCollector.end(4002)")
    visitor.advance(page, 1)
    assert asked == []
    page.evaluate(
        "SessionEndCollector.start({ key: KEY }); SessionEndCollector.start({ key: 'no' })"
    )
    page.evaluate("SessionEndCollector.end(4003)")
    visitor.assert_delivered(page, end(4002) | end(4003))


def test_invalid_settings_are_ignored(visitor: Visitor) -> None:
    page = visitor.open("/bare")
    page.evaluate(
        """() => {
            SessionEndCollector.start({ key: KEY, window: "soon" });
            SessionEndCollector.connected();
            SessionEndCollector.state({ status: "disconnected", code: 1006 });
        }"""
    )
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=2)


def test_script_imported_as_a_module_starts_on_call(
    visitor: Visitor, exporter: ExporterProcess
) -> None:
    """Fails when the script reads its own script element: a bundled module has none."""
    key = visitor.open("/bare").evaluate("KEY")
    page = visitor.open("/elsewhere")
    ingest = f"http://127.0.0.1:{exporter.ports['ingest']}"
    page.evaluate("(ingest) => import(`${ingest}/v1/collector.js`)", ingest)
    page.evaluate("(config) => SessionEndCollector.start(config)", {"key": key, "ingest": ingest})
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.assert_delivered(page, end(4001))


def test_end_sent_a_day_ago_is_not_sent_again(visitor: Visitor) -> None:
    """The exporter may have forgotten its id."""
    page = visitor.open()
    visitor.context.route("**/v1/beacons/**", lambda route: route.abort())
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    wait_for(lambda: page.evaluate(KEPT) and visitor.sent)
    page.clock.fast_forward(86_400_000)
    visitor.wait_until_sent(page)
    visitor.context.unroute_all()
    visitor.advance(page, 600)
    visitor.assert_counted({})


def test_invalid_storage_is_ignored(visitor: Visitor) -> None:
    page = visitor.open("/elsewhere")
    page.evaluate(
        """["{", "null", "{}", '{"event":1}'].forEach((text, n) => {
            localStorage["session-end-collector:" + n] = text;
        })"""
    )
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(1000)")
    visitor.advance(page, 1)
    visitor.assert_counted(end(1000))


# --- pages without the script --------------------------------------------------------------------

SEND = {
    "text": "navigator.sendBeacon(url, text)",
    "text Blob": "navigator.sendBeacon(url, new Blob([text], { type: 'text/plain' }))",
    "JSON Blob": "navigator.sendBeacon(url, new Blob([text], { type: 'application/json' }))",
    "bytes": "navigator.sendBeacon(url, new TextEncoder().encode(text).buffer)",
    "fetch": """fetch(url, {
        method: "POST", body: text, credentials: "include", headers: { "Content-Type": "application/json" },
    }).then(({ status }) => status === 204)""",
}


def test_event_of_a_page_is_delivered_with_credentials(
    visitor: Visitor, exporter: ExporterProcess
) -> None:
    """Fails without Access-Control-Allow-Credentials: the browser drops a JSON Blob silently."""
    page = visitor.open("/bare")
    url = f"http://127.0.0.1:{exporter.ports['ingest']}/v1/beacons/{page.evaluate('KEY')}"
    for number, send in enumerate(SEND.values(), 1):
        event = "{ id: crypto.randomUUID(), code: 4001 }"
        script = f"(url) => {{ const text = JSON.stringify({event}); return {send}; }}"
        assert page.evaluate(script, url) is True
        visitor.assert_counted(end(4001, number))
