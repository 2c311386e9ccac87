"""What becomes of a session in a real browser, in a real exporter's counters."""

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.collector.site import Site
from tests.collector.visitor import MESSAGES_RECEIVED, Visitor, end, interruption
from tests.e2e.exporter_process import ExporterProcess

TWO_SESSIONS = """() => {
    sdk.play();
    onpageshow = () => {
        sdk.close(1000);
        sdk.play();
        sdk.close(4004);
    };
}"""
"""The page's own ends when it comes back, and the next session has one too."""


def _another(visitor: Visitor, site: Site) -> Page:
    """A second page of the site, with a clock of its own."""
    page = visitor.context.new_page()
    page.clock.install()
    page.goto(site.origin)
    return page


def test_a_normal_end_is_counted_with_its_duration(
    visitor: Visitor, exporter: ExporterProcess
) -> None:
    before = exporter.total("session_duration_seconds_sum", system="streampixel")
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.advance(page, 90)
    page.evaluate("sdk.close(1000)")
    visitor.assert_delivered(page, end(1000))
    after = exporter.total("session_duration_seconds_sum", system="streampixel")
    assert 90 <= after - before < 91


def test_no_worker_is_counted_for_each_try(visitor: Visitor) -> None:
    page = visitor.open()
    for _ in range(2):
        page.evaluate("sdk.say({ status: 'connecting' }); sdk.close(4001)")
    visitor.assert_delivered(page, end(4001, 2))


def test_a_drop_that_recovers_is_an_interruption_and_no_end(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    visitor.advance(page, 7)
    page.evaluate("sdk.reachable = true")
    visitor.assert_delivered(page, interruption(1006), after=90)
    page.evaluate("sdk.close(1000)")
    visitor.assert_delivered(page, interruption(1006) | end(1000))


def test_a_drop_that_never_recovers_is_one_4007_and_no_1006(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    # A peer connection alone does not play.
    page.evaluate("sdk.pixelStreaming.dispatchEvent(new Event('webRtcConnected'))")
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=61)


def test_the_window_ends_a_session_whose_sdk_says_nothing_more(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        "sdk.say({ status: 'connected' }); sdk.say({ status: 'disconnected', code: 1005 })"
    )
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=2)
    # What the SDK says of the same failure afterwards is no other end.
    page.evaluate("sdk.say({ status: 'connecting' }); sdk.say({ status: 'failed', code: 4007 })")
    visitor.assert_delivered(page, end(4007))
    assert len(visitor.sent) == 1


def test_a_reason_goes_through_when_no_number_came(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.close(undefined, 'Worker Node Unavailable')")
    visitor.assert_delivered(page, end(4001))


def test_who_never_connected_failed_for_the_reason_that_is_said(visitor: Visitor) -> None:
    """Fails when `failed` is 4007 whenever there is no number, as it is after a drop."""
    page = visitor.open()
    page.evaluate(
        """() => {
            sdk.say({ status: "connecting" });
            sdk.say({ status: "failed", reason: "Worker Node Unavailable" });
        }"""
    )
    visitor.assert_delivered(page, end(4001))


def test_a_script_that_is_loaded_twice_counts_once(visitor: Visitor) -> None:
    page = visitor.open("/twice")
    page.evaluate("sdk.play(); sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))
    assert len(visitor.sent) == 1


def test_any_websocket_is_followed(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        """() => {
            const socket = new EventTarget();
            SessionEndCollector.socket(socket);
            SessionEndCollector.socket(socket);
            socket.dispatchEvent(new Event("open"));
            socket.dispatchEvent(new CloseEvent("close", { code: 4004 }));
        }"""
    )
    visitor.assert_delivered(page, end(4004))


def test_the_page_itself_may_say_that_a_session_ended(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        "SessionEndCollector.end(); SessionEndCollector.end('4000', { duration_seconds: 5 })"
    )
    visitor.assert_delivered(page, end(1000) | end(4000))


def test_sessions_beside_each_other_end_each_for_itself(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        """() => {
            const other = SessionEndCollector.session();
            const second = new Sdk();
            other.streampixel(second);
            sdk.play();
            second.play();
            second.close(4006);
            sdk.close(1000);
        }"""
    )
    visitor.assert_delivered(page, end(1000) | end(4006))


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (
            ["loadingComplete", "reconnecting", "loadingComplete", "disconnected"],
            interruption(1006) | end("unknown"),
        ),
        (["connecting", "loadingComplete", "reconnecting", "disconnected"], end(4007)),
        # The player names no code: what it is stays open.
        (["connecting", "loadingComplete", "afkWarning", "disconnected"], end("unknown")),
        (["authenticating", "restricted"], end("unknown")),
    ],
)
def test_the_iframes_messages_are_followed(
    visitor: Visitor, said: list[str], counted: dict[tuple[str, str], float]
) -> None:
    page = visitor.open("/frame")
    player = page.frame_locator("#player").owner.element_handle().content_frame()
    assert player is not None
    for state in said:
        player.evaluate("(state) => say(state)", state)
        page.evaluate(MESSAGES_RECEIVED)
    visitor.assert_delivered(page, counted)


def test_no_other_frame_and_no_other_origin_can_end_a_session(visitor: Visitor) -> None:
    page = visitor.open("/frame")
    other = page.frame_locator("#other").owner.element_handle().content_frame()
    assert other is not None
    other.evaluate("say('disconnected')")
    page.evaluate("postMessage({ type: 'stream-state', value: 'disconnected' })")
    page.evaluate("player.src = '/player'")
    page.wait_for_function("player.contentDocument?.title === 'Player'", polling=20)
    page.evaluate("""player.contentWindow.eval("say('disconnected')")""")
    page.evaluate(MESSAGES_RECEIVED)
    visitor.advance(page, 1)
    assert visitor.sent == []
    visitor.assert_counted({})


def test_a_closed_tab_is_going_away(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.close(page)
    visitor.assert_counted(end(1001))
    # Its answer was heard by nobody: the next visit sends it again, and it is still one.
    again = visitor.open()
    visitor.wait_until_sent(again)
    visitor.assert_counted(end(1001))


def test_a_page_without_a_session_goes_away_without_an_end(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.say({ status: 'connecting' })")
    visitor.close(page)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(1000)")
    visitor.advance(page, 1)
    visitor.close(page)
    visitor.assert_counted(end(1000))


def test_a_tab_that_is_closed_after_a_drop_ended_by_the_drop(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    visitor.close(page)
    visitor.assert_counted(end(1006))


def test_a_page_back_from_the_back_forward_cache_was_interrupted(
    browser: Browser, site: Site, exporter: ExporterProcess
) -> None:
    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        # Playwright waits in vain for a page that comes back to load: what happens there is written before.
        page.evaluate(
            """() => {
                sdk.play();
                onpagehide = ({ persisted }) => sessionStorage.kept = persisted;
                onpageshow = () => sdk.close(1000);
            }"""
        )
        page.goto(f"{site.origin}/elsewhere")
        assert page.evaluate("sessionStorage.kept") == "true"
        page.evaluate("setTimeout(() => history.back())")
        visitor.assert_counted(interruption(1001) | end(1000))


def test_a_page_that_stays_in_the_back_forward_cache_is_ended_by_another(
    browser: Browser, site: Site, exporter: ExporterProcess
) -> None:
    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        page.evaluate(TWO_SESSIONS)
        page.goto(f"{site.origin}/elsewhere")
        other = _another(visitor, site)
        visitor.advance(other, 170)
        assert visitor.sent == []
        visitor.assert_delivered(other, end(1001), after=70)
        # Back after all: that session has its end, and the next one gets its own.
        page.evaluate("setTimeout(() => history.back())")
        visitor.assert_counted(end(1001) | end(4004))


def test_an_end_that_another_page_sent_is_not_taken_back_although_no_answer_was_heard(
    browser: Browser, site: Site, exporter: ExporterProcess
) -> None:
    """Fails when the page that returns looks only for what it wrote down: it had a second end."""

    def unheard(route: Route) -> None:
        route.fetch()
        route.abort()

    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        page.evaluate(TWO_SESSIONS)
        page.goto(f"{site.origin}/elsewhere")
        visitor.context.route("**/v1/beacons/**", unheard, times=1)
        other = _another(visitor, site)
        with other.expect_event("requestfailed"):
            visitor.advance(other, 240)
        visitor.assert_counted(end(1001))
        page.evaluate("setTimeout(() => history.back())")
        visitor.assert_counted(end(1001) | end(4004))
