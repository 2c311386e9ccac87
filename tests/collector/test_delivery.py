"""What is sent again, by whom, and until when."""

from playwright.sync_api import Route

from tests.collector.visitor import KEPT, Visitor, end
from tests.e2e.exporter_process import wait_for

DENIED = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("denied", "SecurityError"); },
});"""


def test_what_ends_without_a_network_is_sent_when_it_is_back(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.context.set_offline(True)
    page.evaluate("sdk.close(4006)")
    visitor.advance(page, 30)
    assert len(visitor.sent) >= 1
    assert page.evaluate(KEPT) == 1
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4006))


def test_tries_without_a_network_become_rare(visitor: Visitor) -> None:
    page = visitor.open()
    failed: list[str | None] = []
    page.on("requestfailed", lambda one: failed.append(one.failure))
    visitor.context.set_offline(True)
    page.evaluate("SessionEndCollector.end(1000)")
    for _ in range(60):
        visitor.advance(page, 10)
        # A try takes time of this machine's, while the page's clock stands still.
        wait_for(lambda: page.evaluate("1") and len(failed) == len(visitor.sent))
    assert 4 <= len(visitor.sent) <= 10
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(1000))


def test_what_was_not_sent_is_sent_on_the_next_visit(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.context.set_offline(True)
    visitor.close(page)
    visitor.context.set_offline(False)
    visitor.assert_counted({})
    visitor.wait_until_sent(visitor.open())
    visitor.assert_counted(end(1001))


def test_what_the_server_counted_and_could_not_say_is_one(visitor: Visitor) -> None:
    def unheard(route: Route) -> None:
        route.fetch()
        route.abort()

    visitor.context.route("**/v1/beacons/**", unheard, times=1)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(4001)")
    with page.expect_event("requestfailed"):
        visitor.advance(page, 1)
    visitor.assert_counted(end(4001))
    visitor.context.unroute_all()
    visitor.assert_delivered(page, end(4001), after=10)
    assert len(visitor.sent) == 2


def test_one_request_is_under_way_at_a_time(visitor: Visitor) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.context.route("**/v1/beacons/**", hold, times=1)
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    page.evaluate("SessionEndCollector.end(4002)")
    visitor.advance(page, 10)
    assert len(visitor.sent) == 1
    held[0].continue_()
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4001) | end(4002))
    assert len(visitor.sent) == 2


def test_a_full_storage_loses_nothing(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        """() => {
            let size = 1 << 20;
            while (size >= 1) {
                try { localStorage["full" + size + Math.random()] = "x".repeat(size); }
                catch { size /= 2; }
            }
            sdk.play();
            sdk.close(1000);
            sdk.play();
        }"""
    )
    assert page.evaluate(KEPT) == 0
    visitor.advance(page, 1)
    visitor.close(page)
    visitor.assert_counted(end(1000) | end(1001))


def test_a_page_that_may_store_nothing_sends_all_the_same(visitor: Visitor) -> None:
    visitor.context.add_init_script(DENIED)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(4004); sdk.play()")
    visitor.advance(page, 1)
    visitor.close(page)
    visitor.assert_counted(end(4004) | end(1001))


def test_what_can_not_be_taken_back_is_sent_before_the_page_is_cached(visitor: Visitor) -> None:
    visitor.context.add_init_script(DENIED)
    page = visitor.open()
    # Alone: some browsers say visibilitychange before pagehide, and run no timer after it.
    page.evaluate(
        """() => {
            sdk.play();
            window.setTimeout = () => 0;
            dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
        }"""
    )
    visitor.assert_counted(end(1001))


def test_a_browser_without_keepalive_sends_what_a_closed_tab_ends(visitor: Visitor) -> None:
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
    one, two = visitor.open(), visitor.open()
    visitor.context.set_offline(True)
    for _ in range(3):
        one.evaluate("SessionEndCollector.end(4001)")
        two.evaluate("SessionEndCollector.end(4006)")
    visitor.advance(one, 1)
    visitor.advance(two, 1)
    assert one.evaluate(KEPT) == 6
    visitor.context.set_offline(False)
    visitor.advance(one, 30)
    visitor.advance(two, 30)
    visitor.wait_until_sent(one)
    visitor.assert_counted(end(4001, 3) | end(4006, 3))


def test_the_newest_hundred_are_kept(visitor: Visitor) -> None:
    page = visitor.open()
    visitor.context.set_offline(True)
    page.evaluate("for (let n = 0; n < 30; n++) SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    # Labels that are too long for an event to be kept with them, and of three bytes a character.
    for length in (5000, 700):
        labels = f"{{ labels: {{ project: '語'.repeat({length}) }} }}"
        page.evaluate(f"for (let n = 0; n < 50; n++) SessionEndCollector.end(4006, {labels})")
    visitor.advance(page, 600)
    assert page.evaluate(KEPT) == 100
    assert page.evaluate("JSON.stringify(localStorage).length") < 130_000
    visitor.context.set_offline(False)
    visitor.wait_until_sent(page)
    visitor.assert_counted(end(4006, 100))


def test_who_is_told_to_wait_waits(visitor: Visitor) -> None:
    """A site of an event each 10 s, one at once: the second is refused, with a Retry-After of at most 10."""
    page = visitor.open("/slow")
    page.evaluate("SessionEndCollector.end(1000)")
    visitor.advance(page, 1)
    visitor.wait_until_sent(page)
    page.evaluate("SessionEndCollector.end(4001)")
    with page.expect_response("**/v1/beacons/**") as refused:
        visitor.advance(page, 0.001)
    assert refused.value.status == 429
    seconds = int(refused.value.header_value("retry-after") or 0)
    assert 1 <= seconds <= 10
    page.evaluate("SessionEndCollector.end(4002)")
    visitor.advance(page, seconds - 0.1)
    assert len(visitor.sent) == 2

    def done() -> bool:
        visitor.advance(page, 0.1)
        return bool(page.evaluate(KEPT) == 0)

    wait_for(done)
    visitor.assert_counted(end(1000) | end(4001) | end(4002))


def test_who_is_told_to_wait_until_a_date_does_not_hurry(visitor: Visitor) -> None:
    """Fails when a date is taken for seconds: no time is before NaN, so that tries followed on each other."""
    answer = {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "retry-after",
        "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT",
    }
    visitor.context.route(
        "**/v1/beacons/**", lambda route: route.fulfill(status=503, headers=answer)
    )
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(1000)")
    for _ in range(20):
        visitor.advance(page, 0.04)
    assert len(visitor.sent) == 1
    visitor.context.unroute_all()
    visitor.assert_delivered(page, end(1000), after=10)


def test_what_is_left_for_a_key_that_was_replaced_holds_up_no_end(visitor: Visitor) -> None:
    """Fails when the oldest is always sent first: nothing else was, for as long as it was kept."""
    visitor.context.route("**/v1/beacons/replaced", lambda route: route.abort())
    old = visitor.open("/bare")
    old.evaluate("SessionEndCollector.start({ key: 'replaced' }); SessionEndCollector.end(4001)")
    visitor.advance(old, 1)
    visitor.close(old)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(4006)")

    def done() -> bool:
        visitor.advance(page, 2)
        return bool(page.evaluate(KEPT) == 1)

    wait_for(done)
    visitor.assert_counted(end(4006))


def test_what_is_refused_for_good_is_not_sent_again(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("SessionEndCollector.end(4001, { duration_seconds: -1 })")
    visitor.advance(page, 1)
    visitor.wait_until_sent(page)
    visitor.advance(page, 600)
    assert len(visitor.sent) == 1
    visitor.assert_counted({})


def test_an_end_before_the_start_is_sent_after_it(visitor: Visitor) -> None:
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


def test_settings_that_make_no_sense_are_passed_over(visitor: Visitor) -> None:
    page = visitor.open("/bare")
    page.evaluate(
        """() => {
            SessionEndCollector.start({ window: 5 });
            SessionEndCollector.start({ key: KEY, window: "soon" });
            SessionEndCollector.connected();
            SessionEndCollector.state({ status: "disconnected", code: 1006 });
        }"""
    )
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=2)


def test_what_was_sent_a_day_ago_is_not_sent_again(visitor: Visitor) -> None:
    """The exporter may have forgotten its id."""
    page = visitor.open()
    visitor.context.set_offline(True)
    page.evaluate("SessionEndCollector.end(4001)")
    visitor.advance(page, 1)
    wait_for(lambda: page.evaluate(KEPT) and visitor.sent)
    page.clock.fast_forward(86_400_000)
    visitor.wait_until_sent(page)
    visitor.context.set_offline(False)
    visitor.advance(page, 600)
    visitor.assert_counted({})


def test_spoilt_storage_stops_nothing(visitor: Visitor) -> None:
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
