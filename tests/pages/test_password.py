"""A browser with an ops listener that needs a token."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import Visit

TOKEN = "0123456789abcdef0123"
PATH = "/codes/streampixel/4001"


def test_browser_opens_pages_with_the_password(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    settings = {"ops_token_file": tmp_path / "token"}
    credentials = {"username": "anybody", "password": TOKEN}
    with ExporterProcess(tmp_path / "data", settings=settings) as exporter:
        base = f"http://127.0.0.1:{exporter.ports['ops']}"
        with Visit(browser, base, http_credentials=credentials) as visit:
            page = visit.open(PATH)
            expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
            page = visit.open("/codes")
            page.get_by_role("link", name="4001").click()
            page.wait_for_url(f"**{PATH}")
            expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
            # Chromium reports the 401 before it sends the password.
            visit.faults = [fault for fault in visit.faults if "401 (Unauthorized)" not in fault]
