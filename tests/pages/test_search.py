"""The table of codes with the keyboard only, and without a script."""

from playwright.sync_api import Browser, Page, expect

from tests.pages.visit import PHONE, Visit


def visible(page: Page) -> list[str]:
    return page.locator("#codes tbody tr:visible th").all_inner_texts()


def test_slash_letters_and_enter_open_the_code(visit: Visit) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("free worker")
    assert visible(page) == ["4001"]
    expect(page.get_by_role("status")).to_have_text("1 of 38 codes")
    page.keyboard.press("Enter")
    page.wait_for_url("**/codes/streampixel/4001")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("free worker")
    assert visible(page) == ["4001"]


def test_enter_opens_the_spelled_code(visit: Visit) -> None:
    for spelling, path in {
        "4001": "/codes/streampixel/4001",
        "error code 8": "/codes/softdrive/08",
        # 10, 11 and 1001 begin with it, but it is a spelling of 01.
        "1": "/codes/softdrive/01",
        "Streampixel 1001": "/codes/streampixel/1001",
        "guest-agent": "/codes/softdrive/guest_agent",
        "monitor": "/codes/softdrive/08",
    }.items():
        page = visit.open("/codes")
        page.keyboard.press("/")
        page.keyboard.type(spelling)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{path}")


def test_query_filters_the_table(visit: Visit) -> None:
    page = visit.open("/codes?q=4001")
    assert visible(page) == ["4001"]
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert len(visible(page)) == 38
    for query, codes in {
        # A number matches codes and no texts.
        "30": [],
        "400": [f"400{last}" for last in range(8)],
        "closed / crashed": ["4006"],
    }.items():
        page = visit.open("/codes")
        page.keyboard.press("/")
        page.keyboard.type(query)
        expect(page.get_by_role("searchbox")).to_have_value(query)
        assert visible(page) == codes


def test_enter_without_matches_shows_suggestions(visit: Visit) -> None:
    page = visit.open("/codes")
    page.keyboard.press("/")
    page.keyboard.type("timout")
    assert visible(page) == []
    expect(page.get_by_text("No code matches.")).to_be_visible()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="timeout", exact=True).click()
    page.wait_for_url("**/codes?q=timeout")
    assert visible(page) == ["02", "03", "04", "09", "4004"]


def test_search_works_without_a_script(browser: Browser, base: str) -> None:
    with Visit(browser, base, java_script_enabled=False) as visit:
        page = visit.open("/codes")
        page.get_by_role("searchbox").fill("free Worker")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**/codes?q=free+Worker")
        expect(page.locator("#codes tbody tr:visible")).to_have_count(1)
        page.get_by_role("link", name="4001").click()
        page.wait_for_url("**/codes/streampixel/4001")
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)


def test_phone_shows_system_and_counts(browser: Browser, base: str) -> None:
    """They are visible without horizontal scrolling."""
    with Visit(browser, base, viewport=PHONE, is_mobile=True) as visit:
        row = visit.open("/codes?q=4001").locator("#codes tbody tr:visible")
        for cell in (row.get_by_text("Streampixel"), row.locator(".number").first):
            expect(cell).to_be_in_viewport(ratio=1)
