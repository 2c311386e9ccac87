"""The counts of a real exporter after sessions in a real browser."""

import pytest
from playwright.sync_api import Browser, Page

from tests.collector.site import Site
from tests.collector.visitor import KEPT, Counts, Visitor, end, interruption
from tests.e2e.exporter_process import ExporterProcess

WEBRTC = """async () => {
    const [one, other] = window.peers = [new RTCPeerConnection(), new RTCPeerConnection()];
    one.onicecandidate = ({ candidate }) => candidate && other.addIceCandidate(candidate);
    other.onicecandidate = ({ candidate }) => candidate && one.addIceCandidate(candidate);
    const open = new Promise((opened) => one.createDataChannel("x").onopen = opened);
    await one.setLocalDescription();
    await other.setRemoteDescription(one.localDescription);
    await other.setLocalDescription();
    await one.setRemoteDescription(other.localDescription);
    await open;
}"""


def go_back(page: Page) -> None:
    # Playwright would wait for a load event, which a restored page does not have.
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


def test_drop_that_recovers_is_an_interruption_and_no_end(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    page.evaluate("sdk.pixelStreaming.dispatchEvent(new Event('webRtcFailed'))")
    visitor.advance(page, 7)
    page.evaluate("sdk.reachable = true")
    visitor.assert_delivered(page, interruption(1006), after=90)
    page.evaluate("sdk.close(1000)")
    visitor.assert_delivered(page, interruption(1006) | end(1000))


def test_drop_that_never_recovers_is_one_end_with_4007(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    # A new peer connection alone is not a recovery.
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
    ("script", "counted"),
    [
        ("sdk.play()", end(1001)),
        ("sdk.say({ status: 'connecting' })", {}),
        ("sdk.play(); sdk.close(1000)", end(1000)),
        ("sdk.play(); sdk.reachable = false; sdk.close(1006)", end(1006)),
    ],
    ids=["a session", "no session", "an ended session", "a drop"],
)
def test_closed_tab_ends_only_a_running_session_and_once(
    visitor: Visitor, script: str, counted: Counts
) -> None:
    page = visitor.open()
    page.evaluate(script)
    visitor.close(page)
    visitor.assert_counted(counted)
    # The closed page never read the answer: the next visit sends the end again.
    visitor.wait_until_sent(visitor.open())
    visitor.assert_counted(counted)


@pytest.mark.parametrize("webrtc", [False, True])
def test_viewer_who_follows_a_link_is_counted_at_once(
    browser: Browser, site: Site, exporter: ExporterProcess, webrtc: bool
) -> None:
    """Fails when the script trusts `persisted`: the browser then discards a page with WebRTC."""
    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        if webrtc:
            page.evaluate(WEBRTC)
        page.evaluate(
            """() => {
                sdk.play();
                onpagehide = ({ persisted }) => sessionStorage.kept = persisted;
                onpageshow = () => sdk.close(4006);
            }"""
        )
        page.goto(f"{site.origin}/elsewhere")
        assert page.evaluate("sessionStorage.kept") == "true"
        visitor.assert_counted(end(1001))
        # A page that the browser restores, because it has no WebRTC, ends its session no second time.
        go_back(page)
        page.wait_for_function(f"typeof sdk === 'object' && {KEPT} === 0")
        visitor.assert_counted(end(1001))
