"""A real exporter, and Debian's Chromium to look at it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import Visit

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Chromium's sandbox refuses to run as root, as tests in a container do.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    with ExporterProcess(tmp_path_factory.mktemp("pages") / "data") as running:
        # The history begins with the first request, so that what comes after it is seen to come.
        assert running.request("ops", "GET", "/").status == 200
        running.post([{"system": "streampixel", "code": 4001, "id": str(n)} for n in range(3)])
        running.post({"system": "softdrive", "code": "<img src=x onerror=alert(1)>", "id": "evil"})
        yield running


@pytest.fixture
def visit(browser: Browser, exporter: ExporterProcess) -> Iterator[Visit]:
    """A fresh visitor, who must have seen no fault and caused no request elsewhere."""
    with Visit(browser, f"http://127.0.0.1:{exporter.ports['ops']}") as visitor:
        yield visitor


@pytest.fixture(scope="module")
def rules() -> Path:
    return Path(__file__).parents[2] / "rules"
