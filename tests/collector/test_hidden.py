"""Pages that are hidden: they live, or they die and another page of the site sends their end."""

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


def killed(page: Page) -> None:
    with pytest.raises(Error, match="crash"):
        page.goto("chrome://crash", timeout=5_000)
    page.close()


def test_a_hidden_page_that_dies_is_ended_by_another(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    killed(page)
    other = visitor.open()
    visitor.advance(other, 170)
    assert visitor.sent == []
    visitor.assert_delivered(other, end(1001), after=70)


def test_a_page_that_connected_while_it_was_hidden_is_ended_by_another(visitor: Visitor) -> None:
    """Fails when only the moment of hiding writes the end down: it was before the session."""
    page = visitor.open()
    page.evaluate(HIDE, True)
    page.evaluate("sdk.play()")
    killed(page)
    other = visitor.open()
    assert other.evaluate(KEPT) == 1
    visitor.assert_delivered(other, end(1001), after=240)


def test_a_hidden_page_whose_timers_run_once_a_minute_is_left_alone(visitor: Visitor) -> None:
    """Fails when a window of ten seconds makes the date three of them: another tab sent its end."""
    page = visitor.open("/bare")
    page.evaluate("SessionEndCollector.start({ key: KEY, window: 10 })")
    page.evaluate("SessionEndCollector.connected()")
    page.evaluate(HIDE, True)
    other = visitor.open()
    for _ in range(5):
        visitor.advance(other, 60)
        assert visitor.sent == []
        page.clock.fast_forward(60_000)
        # Another process' storage is there a moment later.
        wait_for(lambda: other.evaluate(DATES) == page.evaluate(DATES))
    page.evaluate(HIDE, False)
    page.evaluate("SessionEndCollector.end(4006)")
    visitor.assert_delivered(page, end(4006))


def test_storage_that_is_cleared_while_a_page_is_hidden_costs_no_end(visitor: Visitor) -> None:
    """Fails when nothing written down is taken for sent: a log-out in another tab lost the session's end."""
    page = visitor.open()
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    page.evaluate("localStorage.clear()")
    visitor.advance(page, 30)
    page.evaluate(HIDE, False)
    page.evaluate("sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))


def test_a_hidden_page_that_lives_is_left_alone(visitor: Visitor) -> None:
    page, other = visitor.open(), visitor.open()
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    for _ in range(10):
        visitor.advance(page, 60)
        visitor.advance(other, 60)
    assert visitor.sent == []
    page.evaluate(HIDE, False)
    assert page.evaluate(KEPT) == 0
    page.evaluate("sdk.close(1000)")
    visitor.assert_delivered(page, end(1000))


def test_an_end_dated_by_a_clock_that_was_a_year_ahead_is_sent_now(visitor: Visitor) -> None:
    """Fails when the date is believed: the end was held back until the year was over."""
    page = visitor.context.new_page()
    page.add_init_script("{ const now = Date.now; Date.now = () => now() + 365 * 864e5; }")
    page.goto(visitor.open("/elsewhere").url.replace("elsewhere", ""))
    page.evaluate("sdk.play()")
    page.evaluate(HIDE, True)
    killed(page)
    visitor.assert_delivered(visitor.open(), end(1001))
    (sent,) = json.loads(visitor.sent[-1].post_data or "")
    assert sent["age_seconds"] == 0
