"""Browser and curl with an ops listener that needs a token."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import Visit

TOKEN = "0123456789abcdef0123"
PATH = "/codes/streampixel/4001"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    folder = tmp_path_factory.mktemp("password")
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    settings = {"ops_token_file": folder / "token"}
    with ExporterProcess(folder / "data", settings=settings) as exporter:
        yield exporter


def test_a_browser_opens_pages_with_the_password(
    browser: Browser, guarded: ExporterProcess
) -> None:
    base = f"http://127.0.0.1:{guarded.ports['ops']}"
    credentials = {"username": "anybody", "password": TOKEN}
    with Visit(browser, base, http_credentials=credentials) as visit:
        page = visit.open(PATH)
        expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
        page = visit.open("/codes")
        page.get_by_role("link", name="4001").click()
        page.wait_for_url(f"**{PATH}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("4001")
        # Chromium reports the 401 before it sends the password.
        visit.faults = [fault for fault in visit.faults if "401 (Unauthorized)" not in fault]


def test_a_browser_with_a_wrong_password_is_refused(
    browser: Browser, guarded: ExporterProcess
) -> None:
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{guarded.ports['ops']}",
        http_credentials={"username": "anybody", "password": "wrong"},
    )
    response = context.new_page().goto(PATH)
    assert response is not None
    assert response.status == 401
    context.close()


@pytest.mark.parametrize(("password", "status"), [(TOKEN, "200"), ("wrong", "401")])
def test_curl_sends_the_token_as_the_password(
    guarded: ExporterProcess, tmp_path: Path, password: str, status: str
) -> None:
    url = f"http://127.0.0.1:{guarded.ports['ops']}/metrics"
    command = ["curl", "-sS", "-u", f"prometheus:{password}", "-o", str(tmp_path / "body")]
    done = subprocess.run(
        [*command, "-w", "%{http_code}", url], capture_output=True, text=True, check=True
    )
    assert done.stdout == status
