"""The counts of a real exporter after sessions in a real browser."""

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
"""The page ends its session when it is restored, and then has another session."""
WEBSOCKET = """() => {
    const socket = new EventTarget();
    SessionEndCollector.socket(socket);
    SessionEndCollector.socket(socket);
    socket.dispatchEvent(new Event("open"));
    socket.dispatchEvent(new CloseEvent("close", { code: 4004 }));
}"""
TWO_STREAMS = """() => {
    const second = new Sdk();
    SessionEndCollector.session().streampixel(second);
    sdk.play();
    second.play();
    second.close(4006);
    sdk.close(1000);
}"""
FAILED = """() => {
    sdk.say({ status: "connecting" });
    sdk.say({ status: "failed", reason: "Worker Node Unavailable" });
}"""


def second_page(visitor: Visitor, site: Site) -> Page:
    """A second page of the site, with a clock of its own."""
    page = visitor.context.new_page()
    page.clock.install()
    page.goto(site.origin)
    return page


def go_back(page: Page) -> None:
    # Playwright waits in vain for a restored page to load.
    page.evaluate("setTimeout(() => history.back())")


def test_normal_end_is_counted_with_its_duration(
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


@pytest.mark.parametrize(
    ("script", "counted"),
    [
        ("sdk.say({ status: 'connecting' }); sdk.close(4001); " * 2, end(4001, 2)),
        ("sdk.close(undefined, 'Worker Node Unavailable')", end(4001)),
        # A failure without a number is 4007 only after a drop.
        (FAILED, end(4001)),
        (WEBSOCKET, end(4004)),
        ("SessionEndCollector.end(); SessionEndCollector.end('4000')", end(1000) | end(4000)),
        (TWO_STREAMS, end(1000) | end(4006)),
    ],
    ids=["two attempts", "reason", "failure", "websocket", "call", "two sessions"],
)
def test_end_is_counted_once(
    visitor: Visitor, script: str, counted: dict[tuple[str, str], float]
) -> None:
    page = visitor.open()
    page.evaluate(script)
    visitor.assert_delivered(page, counted)


def test_script_loaded_twice_counts_once(visitor: Visitor) -> None:
    page = visitor.open("/twice")
    page.evaluate("sdk.play(); sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))
    assert len(visitor.sent) == 1


def test_drop_that_recovers_is_an_interruption_and_no_end(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    visitor.advance(page, 7)
    page.evaluate("sdk.reachable = true")
    visitor.assert_delivered(page, interruption(1006), after=90)
    page.evaluate("sdk.close(1000)")
    visitor.assert_delivered(page, interruption(1006) | end(1000))


def test_drop_that_never_recovers_is_one_4007(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    # A peer connection alone does not play.
    page.evaluate("sdk.pixelStreaming.dispatchEvent(new Event('webRtcConnected'))")
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=61)


def test_window_ends_a_session_without_further_events(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate(
        "sdk.say({ status: 'connected' }); sdk.say({ status: 'disconnected', code: 1005 })"
    )
    visitor.advance(page, 59)
    assert visitor.sent == []
    visitor.assert_delivered(page, end(4007), after=2)
    # The SDK's later report of the same failure is not another end.
    page.evaluate("sdk.say({ status: 'connecting' }); sdk.say({ status: 'failed', code: 4007 })")
    visitor.assert_delivered(page, end(4007))
    assert len(visitor.sent) == 1


@pytest.mark.parametrize(
    ("states", "counted"),
    [
        (
            ["loadingComplete", "reconnecting", "loadingComplete", "disconnected"],
            interruption(1006) | end("unknown"),
        ),
        (["connecting", "loadingComplete", "reconnecting", "disconnected"], end(4007)),
        # The player names no code.
        (["connecting", "loadingComplete", "afkWarning", "disconnected"], end("unknown")),
        (["authenticating", "restricted"], end("unknown")),
    ],
)
def test_messages_of_the_iframe_are_followed(
    visitor: Visitor, states: list[str], counted: dict[tuple[str, str], float]
) -> None:
    page = visitor.open("/frame")
    player = page.frame_locator("#player").owner.element_handle().content_frame()
    assert player is not None
    for state in states:
        player.evaluate("(state) => say(state)", state)
        page.evaluate(MESSAGES_RECEIVED)
    visitor.assert_delivered(page, counted)


def test_other_frames_and_origins_can_not_end_a_session(visitor: Visitor) -> None:
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


def test_closed_tab_is_1001_and_counted_once(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    visitor.close(page)
    visitor.assert_counted(end(1001))
    # The closed page never read the answer: the next visit sends the end again.
    visitor.wait_until_sent(visitor.open())
    visitor.assert_counted(end(1001))


def test_closed_tab_without_a_session_has_no_end(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.say({ status: 'connecting' })")
    visitor.close(page)
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.close(1000)")
    visitor.advance(page, 1)
    visitor.close(page)
    visitor.assert_counted(end(1000))


def test_tab_closed_after_a_drop_ends_with_the_code_of_the_drop(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    visitor.close(page)
    visitor.assert_counted(end(1006))


def test_page_restored_from_the_back_forward_cache_was_interrupted(
    browser: Browser, site: Site, exporter: ExporterProcess
) -> None:
    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        page.evaluate(
            """() => {
                sdk.play();
                onpagehide = ({ persisted }) => sessionStorage.kept = persisted;
                onpageshow = () => sdk.close(1000);
            }"""
        )
        page.goto(f"{site.origin}/elsewhere")
        assert page.evaluate("sessionStorage.kept") == "true"
        go_back(page)
        visitor.assert_counted(interruption(1001) | end(1000))


@pytest.mark.parametrize("answered", [True, False])
def test_page_in_the_back_forward_cache_is_ended_once_by_another(
    browser: Browser, site: Site, exporter: ExporterProcess, answered: bool
) -> None:
    """Fails when a restored page looks only at its own record of the end: it sent a second end where the
    other page had not read the answer."""

    def drop_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        page.evaluate(TWO_SESSIONS)
        page.goto(f"{site.origin}/elsewhere")
        other = second_page(visitor, site)
        visitor.advance(other, 170)
        assert visitor.sent == []
        if answered:
            visitor.assert_delivered(other, end(1001), after=70)
        else:
            visitor.context.route("**/v1/beacons/**", drop_answer, times=1)
            with other.expect_event("requestfailed"):
                visitor.advance(other, 70)
            visitor.assert_counted(end(1001))
        # The restored page's first session has its end already; its second session gets its own.
        go_back(page)
        visitor.assert_counted(end(1001) | end(4004))
