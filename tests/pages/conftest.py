"""An exporter process, and Debian's Chromium."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import Visit


@contextmanager
def chromium(*flags: str, **options: Any) -> Iterator[Browser]:
    # Chromium's sandbox does not run as root, as in a container.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[*flags, *root], **options
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


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
