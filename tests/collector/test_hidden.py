"""Hidden pages: another page of the site sends the end of a page that crashed."""

import json

import pytest
from playwright.sync_api import Error, Page

from tests.collector.visitor import KEPT, Visitor, end
from tests.e2e.exporter_process import wait_for

HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
DATES = """() => Object.keys(localStorage).filter((key) => key.startsWith("session-end-collector:"))
    .map((key) => JSON.parse(localStorage[key]).until)"""


def crash(page: Page) -> None:
    with pytest.raises(Error, match="crash"):
        page.goto("chrome://crash", timeout=5_000)
    page.close()


@pytest.mark.parametrize("hidden_first", [False, True])
def test_hidden_page_that_crashes_is_ended_by_another(visitor: Visitor, hidden_first: bool) -> None:
    """Fails when the end is stored only when the page is hidden: the session may begin later."""
    page = visitor.open()
    if hidden_first:
        page.evaluate(HIDE, True)
    page.evaluate("sdk.play()")
    if not hidden_first:
        page.evaluate(HIDE, True)
    crash(page)
    other = visitor.open()
    assert other.evaluate(KEPT) == 1
    visitor.advance(other, 170)
    assert visitor.sent == []
    visitor.assert_delivered(other, end(1001), after=70)


def test_hidden_page_with_slow_timers_is_not_ended(visitor: Visitor) -> None:
    """Fails when the stored end is due after three windows of 10 s: another tab sent it."""
    page = visitor.open("/bare")
    page.evaluate("SessionEndCollector.start({ key: KEY, window: 10 })")
    page.evaluate("SessionEndCollector.connected()")
    page.evaluate(HIDE, True)
    other = visitor.open()
    for _ in range(5):
        visitor.advance(other, 60)
        assert visitor.sent == []
        page.clock.fast_forward(60_000)
        # The storage of another process is updated a moment later.
        wait_for(lambda: other.evaluate(DATES) == page.evaluate(DATES))
    page.evaluate(HIDE, False)
    assert page.evaluate(KEPT) == 0
    page.evaluate("SessionEndCollector.end(4006)")
    visitor.assert_delivered(page, end(4006))


def test_storage_cleared_while_hidden_loses_no_end(visitor: Visitor) -> None:
    """Fails when a missing record counts as a sent end: a logout in another tab lost the end."""
    page = visitor.open()
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    page.evaluate("localStorage.clear()")
    visitor.advance(page, 30)
    page.evaluate(HIDE, False)
    page.evaluate("sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))


def test_end_dated_by_a_wrong_clock_is_sent_now(visitor: Visitor) -> None:
    """Fails when the date is trusted: the end was delayed for a year."""
    page = visitor.context.new_page()
    page.add_init_script("{ const now = Date.now; Date.now = () => now() + 365 * 864e5; }")
    page.goto(visitor.open("/elsewhere").url.replace("elsewhere", ""))
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    crash(page)
    visitor.assert_delivered(visitor.open(), end(1001))
    (sent,) = json.loads(visitor.sent[-1].post_data or "")
    assert sent["age_seconds"] == 0
