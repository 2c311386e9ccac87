"""An exporter process, Debian's Chromium, and visits that record faults and requests."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.e2e.exporter_process import ExporterProcess

PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1366, "height": 768}


class Visit:
    """Its exit asserts that the console is empty, no script failed, and all requests were to the exporter.

    Requests to other hosts are recorded and aborted. `options` are those of the context.
    """

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._context = browser.new_context(**{"viewport": LAPTOP, "base_url": base} | options)
        self._context.route("**", self._record)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda line: self.faults.append(f"{line.type}: {line.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        self.page.set_default_timeout(20_000)

    def _record(self, route: Route) -> None:
        self.requests.append(route.request.url)
        if route.request.url.startswith(self.base + "/"):
            route.continue_()
        else:
            route.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._context.close()
        if kind is None:
            assert self.faults == []
            assert [url for url in self.requests if not url.startswith(self.base + "/")] == []

    def open(self, path: str) -> Page:
        self.page.goto(path)
        return self.page


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
    folder = tmp_path_factory.mktemp("pages")
    (folder / "mine.yaml").write_text("extends: streampixel\nobjective: 0.99\n")
    runbook = folder / "runbooks" / "streampixel" / "4000.md"
    runbook.parent.mkdir(parents=True)
    link = f"https://console.example.com/{'projects' * 20}"
    runbook.write_text(
        f"# Inactive\n\nAsk.\n\n## Mitigation\n\n| link | use |\n|-|-|\n| {link} | status |\n"
    )
    with ExporterProcess(folder / "data", settings={"taxonomy": folder}) as exporter:
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
