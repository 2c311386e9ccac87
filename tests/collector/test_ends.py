"""The counts of a real exporter after sessions in a real browser."""

import pytest
from playwright.sync_api import Browser, Page

from tests.collector.site import Site
from tests.collector.visitor import Counts, Visitor, end, interruption
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
    "code", ["'x'.repeat(127) + '😀'", "'\\ud83d'"], ids=["cut in a pair", "half of a pair"]
)
def test_code_with_half_of_a_surrogate_pair_is_counted(visitor: Visitor, code: str) -> None:
    """Fails without `replace`: the exporter rejected the end, and the page deleted it."""
    page = visitor.open()
    page.evaluate(f"sdk.play(); SessionEndCollector.end({code})")
    visitor.assert_delivered(page, end("unknown"))


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
    """Fails when a restored page looks only at its own record of the end: it sent a second end when the other
    page had not read the answer."""
    with Visitor(browser, site, exporter, clock=False) as visitor:
        page = visitor.open()
        page.evaluate(TWO_SESSIONS)
        page.goto(f"{site.origin}/elsewhere")
        other = visitor.context.new_page()
        other.clock.install()
        other.goto(site.origin)
        visitor.advance(other, 170)
        assert visitor.sent == []
        if answered:
            visitor.assert_delivered(other, end(1001), after=70)
        else:
            visitor.lose_next_answer()
            with other.expect_event("requestfailed"):
                visitor.advance(other, 70)
            visitor.assert_counted(end(1001))
        # The restored page's first session has its end already; its second session gets its own.
        go_back(page)
        visitor.assert_counted(end(1001) | end(4004))
