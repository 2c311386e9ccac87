"""Pages in Debian's Chromium: accessibility, content policy, runbooks, and search with the keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from exporter.taxonomy.loader import load
from tests.e2e.exporter_process import ExporterProcess
from tests.pages.conftest import LAPTOP, PHONE, Visit

PAGES = (
    "/",
    "/codes",
    "/codes?q=timout",
    "/codes/streampixel/4000",
    "/codes/streampixel/4001",
    "/codes/softdrive/unknown",
    "/codes/softdrive/99",
    "/alerts",
    "/alerts/SessionEndSpike",
    "/alerts/SessionEndExporterRequestsRefused",
    "/alerts/SessionEndSpiky",
    "/docs",
)
CUT = """() => [...document.querySelectorAll("html, body *")]
    .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && !e.matches(".unseen"))
    .map(e => e.outerHTML.slice(0, 100))"""


def violations(page: Page) -> list[str]:
    """Rule and element of each violation that axe reports on the open page."""
    response = Axe().run(page, options={"resultTypes": ["violations"]}).response
    assert len(response["passes"]) > 10, "axe checked nothing"
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (LAPTOP, "light")])
def test_pages_have_no_violation_and_no_cut_text(
    browser: Browser, base: str, size: dict[str, int], scheme: str
) -> None:
    mobile = size is PHONE
    with Visit(browser, base, viewport=size, color_scheme=scheme, is_mobile=mobile) as visit:
        for path in PAGES:
            page = visit.open(path)
            visit.faults = [fault for fault in visit.faults if "404 (Not Found)" not in fault]
            assert violations(page) == [], path
            assert page.evaluate(CUT) == [], path


def test_content_policy_blocks_other_scripts_and_requests(visit: Visit) -> None:
    page = visit.open("/codes")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const picture = document.createElement("img");
            picture.src = "https://192.0.2.1/x.png";
            document.body.append(picture);
        }"""
    )
    assert page.evaluate("window.ran") is None
    page.wait_for_function("() => document.querySelector('img').complete")
    assert any("Content Security Policy" in fault for fault in visit.faults)
    assert visit.requests == [f"{visit.base}/codes"]
    visit.faults.clear()


def test_longest_code_pages_are_short_on_a_phone(
    exporter: ExporterProcess, browser: Browser, base: str
) -> None:
    """The first action and the mitigation are near the top."""
    measure = """() => {
        const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
        return [top(".first"), top("#mitigation"), document.documentElement.scrollHeight];
    }"""
    paths = [code.runbook for system in load().systems.values() for code in system.codes]
    # The texts before the mitigation, and the whole page.
    pages = {path: exporter.request("ops", "GET", path).body for path in paths}
    heads = {path: page.partition(b'id="mitigation"')[0] for path, page in pages.items()}
    longest = {
        path for texts in (heads, pages) for path in sorted(texts, key=lambda p: len(texts[p]))[-5:]
    }
    with Visit(browser, base, viewport=PHONE, is_mobile=True) as visit:
        for path in sorted(longest):
            first, mitigation, height = visit.open(path).evaluate(measure)
            assert 0 < first < PHONE["height"] / 2, path
            assert first < mitigation < 1400, path
            assert height <= 5000, path


def test_shared_diagnosis_opens_without_a_script(browser: Browser, base: str) -> None:
    with Visit(browser, base, viewport=PHONE, java_script_enabled=False) as visit:
        page = visit.open("/codes/streampixel/4001")
        query = page.locator("#shared-query-1")
        expect(query).to_be_hidden()
        page.locator("summary").click()
        expect(query).to_be_visible()
        expect(page.locator("button:visible")).to_have_count(0)


def test_query_is_copied_by_keyboard_and_announced(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open("/codes/streampixel/4001")
    button = page.get_by_role("button", name="Copy query 2", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Copied")
    expect(page.get_by_role("status")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#query-2").text_content()
    assert "session_live_users" in copied
    expect(button).to_have_text("Copy")


def test_query_is_copied_or_selected_without_the_clipboard_api(visit: Visit) -> None:
    """Browsers offer the clipboard API only to pages over https or on localhost."""
    visit.page.context.grant_permissions(["clipboard-read"])
    page = visit.open("/codes/streampixel/4001")
    page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', { value: undefined })")
    button = page.get_by_role("button", name="Copy query 3", exact=True)
    button.click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert "4001|4003" in page.evaluate("navigator.clipboard.readText()")
    page.evaluate("document.execCommand = () => false")
    button.click()
    expect(page.get_by_role("status")).to_have_text("Selected: press Ctrl+C")
    assert page.evaluate("getSelection().toString()") == page.locator("#query-3").inner_text()


def test_search_works_with_the_keyboard(visit: Visit) -> None:
    page = visit.open("/codes")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("free worker")
    page.keyboard.press("Enter")
    page.wait_for_url("**/codes?q=free+worker")
    expect(page.get_by_role("status")).to_contain_text("1 of 38 codes")
    page.get_by_role("link", name="4001").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/codes/streampixel/4001")


def test_phone_shows_system_and_counts(browser: Browser, base: str) -> None:
    with Visit(browser, base, viewport=PHONE, is_mobile=True) as visit:
        row = visit.open("/codes?q=4001").locator("#codes tbody tr:visible")
        for cell in (row.get_by_text("Streampixel"), row.locator(".number").first):
            expect(cell).to_be_in_viewport(ratio=1)
