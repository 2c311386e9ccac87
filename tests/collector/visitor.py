"""A viewer's browser on a page with the collector, and the counts of a real exporter."""

import re
import time
from collections import Counter
from typing import Self

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from exporter import names
from tests.collector.site import Site
from tests.e2e.exporter_process import ExporterProcess, wait_for

_STORED = "Object.keys(localStorage).filter((key) => key.startsWith('session-end-collector:'))"
LIVE = f"{_STORED}.map((key) => JSON.parse(localStorage[key])).filter((item) => item.live)"
"""The stored ends of pages that are still open."""
KEPT = f"{_STORED}.length - {LIVE}.length"
"""The number of stored events to be sent."""
MESSAGES_RECEIVED = "new Promise((done) => { onmessage = done; postMessage(0); })"
"""A promise that resolves when the page has received all messages sent before."""
Counts = dict[tuple[str, str], int]
"""Counted events by metric and code."""
_SAMPLE = re.compile(
    f"^({names.SESSION_ENDS}|{names.SESSION_ENDS_LATE}|{names.SESSION_INTERRUPTIONS})"
    r'{system="streampixel",code="(\w+)",.*} (\S+)$',
    re.MULTILINE,
)


class Visitor:
    """A fresh browser profile. Its exit asserts that no script failed and the console stayed empty.

    The clock of its pages stands still, and only `advance` moves it: with a running clock, timers fired early
    on a busy machine. With `clock` false it is the real clock. `sent` are the beacons' requests.
    """

    def __init__(
        self, browser: Browser, site: Site, exporter: ExporterProcess, *, clock: bool = True
    ) -> None:
        self._site = site
        self._exporter = exporter
        self.context = browser.new_context()
        self.context.set_default_timeout(20_000)
        self._clock = clock
        self.faults: list[str] = []
        self.sent: list[Request] = []
        self.context.on("request", self._note)
        self.context.on("weberror", lambda error: self.faults.append(str(error.error)))
        self.context.on("console", self._note_console)
        self._before = self._counts()

    def __enter__(self) -> Self:
        if self._clock:
            self.context.clock.install()
            self.context.clock.pause_at(time.time() + 1)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.faults == []

    def _note_console(self, message: ConsoleMessage) -> None:
        # The browser itself writes this line for each request that failed.
        if not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)

    def _note(self, request: Request) -> None:
        if "/v1/beacons/" in request.url:
            self.sent.append(request)

    def take_faults(self) -> list[str]:
        """Return the page's errors and console lines so far; the exit then ignores them."""
        faults, self.faults = self.faults, []
        return faults

    def open(self, path: str = "/", origin: str | None = None) -> Page:
        page = self.context.new_page()
        page.goto((origin or self._site.origin) + path)
        return page

    def close(self, page: Page) -> None:
        """Close a tab as its viewer does, and wait until it is closed."""
        with page.expect_event("close"):
            page.close(run_before_unload=True)

    def advance(self, page: Page, seconds: float) -> None:
        """Advance the page's clock, and fire its timers."""
        page.clock.run_for(int(seconds * 1000))

    def wait_until_sent(self, page: Page, kept: int = 0) -> None:
        """Advance the page's clock until the page stores only the given number of events."""

        def sent() -> bool:
            self.advance(page, 0.1)
            return bool(page.evaluate(KEPT) == kept)

        wait_for(sent, what=f"{kept} events kept")

    def assert_delivered(self, page: Page, expected: Counts, *, after: float = 1) -> None:
        """Advance the clock, and wait until the page has sent all ends and exactly `expected` is counted."""
        self.advance(page, after)
        self.wait_until_sent(page)
        self.assert_counted(expected)

    def _counts(self) -> Counter[tuple[str, str]]:
        """All counts for Streampixel. Parsing all metrics would take half of a test's time."""
        counted: Counter[tuple[str, str]] = Counter()
        text = self._exporter.request("ops", "GET", names.METRICS_PATH).body.decode()
        for name, code, value in _SAMPLE.findall(text):
            counted[name, code] += int(float(value))
        return counted

    def assert_counted(self, expected: Counts) -> None:
        """Wait until exactly `expected` was counted since this visitor was created."""
        try:
            wait_for(lambda: self._counts() - self._before == expected)
        except AssertionError:
            assert self._counts() - self._before == expected


def end(code: int | str, times: int = 1) -> Counts:
    return {(names.SESSION_ENDS, str(code)): times}


def interruption(code: int | str, times: int = 1) -> Counts:
    return {(names.SESSION_INTERRUPTIONS, str(code)): times}
