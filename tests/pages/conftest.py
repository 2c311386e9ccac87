"""An exporter process, and Debian's Chromium."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import Visit

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Chromium's sandbox does not run as root, as in a container.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path_factory.mktemp("pages") / "data") as exporter:
        exporter.post([{"system": "streampixel", "code": 4001, "id": str(n)} for n in range(3)])
        exporter.post({"system": "softdrive", "code": "<img src=x onerror=alert(1)>", "id": "evil"})
        yield exporter


@pytest.fixture
def base(exporter: ExporterProcess) -> str:
    """The URL of the exporter's pages."""
    return f"http://127.0.0.1:{exporter.ports['ops']}"


@pytest.fixture
def visit(browser: Browser, base: str) -> Iterator[Visit]:
    with Visit(browser, base) as visit:
        yield visit
