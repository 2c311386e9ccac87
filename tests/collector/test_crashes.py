"""Pages that crash: another page of the site sends their ends."""

import json
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from tests.collector.visitor import KEPT, LIVE, Visitor, end
from tests.e2e.exporter_process import wait_for

SHIFTED = """{
    const now = Date.now;
    Date.now = () => now() + %d * 864e5;
    Object.defineProperty(performance, "timeOrigin", { value: performance.timeOrigin + %d * 864e5 });
}"""


def crash(page: Page) -> None:
    with pytest.raises(Error, match="crash"):
        page.goto("chrome://crash", timeout=5_000)
    page.close()


def open_after(visitor: Visitor, script: str) -> Page:
    """A page that runs `script` before its own."""
    page = visitor.context.new_page()
    page.add_init_script(script)
    page.goto(visitor.open("/elsewhere").url.replace("elsewhere", ""))
    return page


def wait_until_seen(page: Page, other: Page) -> None:
    """Wait until `other` sees what `page` stored: the storage of another process is updated later."""
    wait_for(lambda: page.evaluate(LIVE) == other.evaluate(LIVE))


def received(visitor: Visitor) -> list[dict[str, Any]]:
    return json.loads(visitor.sent[-1].post_data or "")  # type: ignore[no-any-return]


def test_page_that_crashes_is_ended_by_another(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play()")
    crash(page)
    other = visitor.open()
    assert len(other.evaluate(LIVE)) == 1
    visitor.advance(other, 119)
    assert visitor.sent == []
    visitor.advance(other, 1)
    wait_for(lambda: other.evaluate(LIVE) == [])
    visitor.assert_counted(end(1001))


def test_page_that_crashes_after_a_drop_is_ended_with_its_code(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("sdk.play(); sdk.reachable = false; sdk.close(1006)")
    visitor.advance(page, 30)
    crash(page)
    other = visitor.open()
    visitor.advance(other, 120)
    wait_for(lambda: other.evaluate(LIVE) == [])
    visitor.assert_counted(end(1006))


def test_hidden_page_with_slow_timers_is_not_ended(visitor: Visitor) -> None:
    """Fails when another page waits for less than a minute: timers of hidden pages run once a minute."""
    page = open_after(
        visitor, "{ const real = setInterval; setInterval = (f) => real(f, 60_000); }"
    )
    page.evaluate("sdk.play()")
    other = visitor.open()
    for _ in range(5):
        visitor.advance(other, 60)
        wait_until_seen(page, other)
        assert visitor.sent == []
    page.evaluate("sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))


def test_session_that_survives_a_sleep_is_not_ended_by_another_page(visitor: Visitor) -> None:
    """Fails when a clock decides: after a sleep, the page that wakes up first ended the other's session."""
    page = open_after(visitor, "setInterval = (f) => window.tick = f")
    page.evaluate("sdk.play()")
    other = visitor.open()
    for _ in range(3):
        visitor.advance(other, 60)
        other.clock.set_system_time(other.evaluate("Date.now()") / 1000 + 3600)
        visitor.advance(other, 40)
        assert len(other.evaluate(LIVE)) == 1
        page.evaluate("tick()")
        wait_until_seen(page, other)
    assert visitor.sent == []
    page.evaluate("sdk.close(4006)")
    visitor.assert_delivered(page, end(4006))


def test_end_dated_by_a_clock_ahead_has_no_negative_age(visitor: Visitor) -> None:
    page = open_after(visitor, SHIFTED % (365, 365))
    page.evaluate("sdk.play()")
    crash(page)
    other = visitor.open()
    visitor.advance(other, 120)
    wait_for(lambda: other.evaluate(LIVE) == [])
    visitor.assert_counted(end(1001))
    assert [event["age_seconds"] for event in received(visitor)] == [0]


def test_end_dated_by_a_clock_behind_is_sent(visitor: Visitor) -> None:
    """Fails when a request without a network counts as sent: the end seemed to be older than a day."""
    page = open_after(visitor, SHIFTED % (-400, -400))
    other = visitor.open()
    visitor.context.set_offline(True)
    page.evaluate("sdk.play(); sdk.close(4006)")
    visitor.advance(page, 1)
    wait_for(lambda: visitor.sent and other.evaluate(KEPT))
    # A page that is only closed sends the end itself, as soon as its browser is no longer offline.
    crash(page)
    visitor.context.set_offline(False)
    visitor.assert_delivered(other, {("session_ends_late_total", "4006"): 1})
    assert received(visitor)[0]["age_seconds"] > 399 * 86400
