"""The table of codes by keyboard alone, and without a script."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import PHONE, Visit


def shown(page: Page) -> list[str]:
    return page.locator("#codes tbody tr:visible th").all_inner_texts()


def test_a_slash_letters_and_enter_open_the_code(visit: Visit) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("free worker")
    assert shown(page) == ["4001"]
    expect(page.get_by_role("status")).to_have_text("1 of 38 codes")
    page.keyboard.press("Enter")
    page.wait_for_url("**/codes/streampixel/4001")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("free worker")
    assert shown(page) == ["4001"]


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("4001", "/codes/streampixel/4001"),
        ("error code 8", "/codes/softdrive/08"),
        # 10, 11 and 1001 begin with it too, but 01 is what it spells.
        ("1", "/codes/softdrive/01"),
        ("Streampixel 1001", "/codes/streampixel/1001"),
        ("guest-agent", "/codes/softdrive/guest_agent"),
        ("monitor", "/codes/softdrive/08"),
    ],
)
def test_enter_opens_what_was_spelled(visit: Visit, typed: str, path: str) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")


def test_a_number_is_a_code_and_not_a_number_in_a_text(visit: Visit) -> None:
    page = visit.open("/codes")
    page.get_by_role("searchbox").fill("30")
    assert shown(page) == []
    page.get_by_role("searchbox").fill("400")
    assert shown(page) == [f"400{last}" for last in range(8)]


def test_escape_clears(visit: Visit) -> None:
    page = visit.open("/codes?q=4001")
    assert shown(page) == ["4001"]
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert len(shown(page)) == 38


def test_a_slash_in_a_query_is_a_slash(visit: Visit) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    page.keyboard.type("closed / crashed")
    expect(page.get_by_role("searchbox")).to_have_value("closed / crashed")
    assert shown(page) == ["4006"]


def test_enter_on_nothing_asks_the_server_for_what_is_near(visit: Visit) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    page.keyboard.type("timout")
    assert shown(page) == []
    expect(page.get_by_text("No code matches.")).to_be_visible()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="timeout", exact=True).click()
    page.wait_for_url("**/codes?q=timeout")
    assert shown(page) == ["02", "03", "04", "09", "4004"]


def test_search_works_without_a_script(browser: Browser, exporter: ExporterProcess) -> None:
    base = f"http://127.0.0.1:{exporter.ports['ops']}"
    with Visit(browser, base, java_script_enabled=False) as visit:
        page = visit.open("/codes")
        page.get_by_role("searchbox").fill("free Worker")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**/codes?q=free+Worker")
        expect(page.locator("#codes tbody tr:visible")).to_have_count(1)
        page.get_by_role("link", name="4001").click()
        page.wait_for_url("**/codes/streampixel/4001")
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)


def test_a_phone_shows_system_and_counts(browser: Browser, exporter: ExporterProcess) -> None:
    """Without scrolling sideways: the accessibility test sees that nothing is cut."""
    base = f"http://127.0.0.1:{exporter.ports['ops']}"
    with Visit(browser, base, viewport=PHONE, is_mobile=True) as visit:
        row = visit.open("/codes?q=4001").locator("#codes tbody tr:visible")
        for cell in (row.get_by_text("Streampixel"), row.locator(".number").first):
            expect(cell).to_be_in_viewport(ratio=1)
