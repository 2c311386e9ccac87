"""The runbook page in a browser."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from exporter.taxonomy.loader import load
from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import PHONE, Visit


def test_every_code_page_is_short_on_a_phone(browser: Browser, base: str) -> None:
    """First action and mitigation are near the top."""
    measure = """() => {
        const top = (selector) => document.querySelector(selector).getBoundingClientRect().top;
        return [top(".first"), top("#mitigation"), document.documentElement.scrollHeight];
    }"""
    systems = load().systems.values()
    codes = [code for system in systems for code in (*system.codes, system.unknown)]
    with Visit(browser, base, viewport=PHONE, is_mobile=True) as visit:
        for code in codes:
            page = visit.open(code.runbook)
            first, mitigation, height = page.evaluate(measure)
            assert 0 < first < PHONE["height"] / 2, code
            assert first < mitigation < 1400, code
            assert height <= 5000, code


def test_shared_diagnosis_opens_without_a_script(browser: Browser, base: str) -> None:
    with Visit(browser, base, viewport=PHONE, java_script_enabled=False) as visit:
        page = visit.open("/codes/streampixel/4001")
        query = page.locator("#shared-query-1")
        expect(query).to_be_hidden()
        page.locator("summary").click()
        expect(query).to_be_visible()
        expect(page.locator("button:visible")).to_have_count(0)


def test_query_is_copied_by_keyboard_and_announced(visit: Visit) -> None:
    visit.grant("clipboard-read", "clipboard-write")
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
    """Browsers offer it only to pages over https or on localhost."""
    visit.grant("clipboard-read")
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


def test_browser_opens_pages_with_the_password(browser: Browser, tmp_path: Path) -> None:
    token, path = "0123456789abcdef0123", "/codes/streampixel/4001"
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o600)
    settings = {"ops_token_file": tmp_path / "token"}
    credentials = {"username": "anybody", "password": token}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        base = f"http://127.0.0.1:{exporter.ports['ops']}"
        with Visit(browser, base, http_credentials=credentials) as visit:
            page = visit.open(path)
            expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
            page = visit.open("/codes")
            page.get_by_role("link", name="4001").click()
            page.wait_for_url(f"**{path}")
            expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
            # Chromium reports the 401 before it sends the password.
            visit.faults = [fault for fault in visit.faults if "401 (Unauthorized)" not in fault]
