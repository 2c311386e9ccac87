"""A viewer's browser on a page with the collector, and what a real exporter counted meanwhile."""

from collections.abc import Mapping
from typing import Any, Self

from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from exporter import names
from tests.collector.site import Site
from tests.e2e.exporter_process import ExporterProcess, wait_for

KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('session-end-collector:')).length"
HEARD = "new Promise((done) => { onmessage = done; postMessage(0); })"
"""Resolves when the page has had all messages that were sent to it before."""
COUNTERS = (names.SESSION_ENDS, names.SESSION_ENDS_LATE, names.SESSION_INTERRUPTIONS)


def counts(exporter: ExporterProcess) -> dict[tuple[str, str], float]:
    """Everything counted for Streampixel, by metric and code."""
    found: dict[tuple[str, str], float] = {}
    for (name, labels), value in exporter.metrics().items():
        if name in COUNTERS and ("system", "streampixel") in labels and value:
            key = (name, dict(labels)["code"])
            found[key] = found.get(key, 0) + value
    return found


class Visitor:
    """A fresh browser profile. On leaving, nothing was said on the console and no script failed.

    The clock of its pages is set by `ahead` when `clock` is true. `sent` are the beacons' requests.
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
        self.context.on("console", self._hear)
        self._before = counts(exporter)

    def __enter__(self) -> Self:
        if self._clock:
            self.context.clock.install()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.context.close()
        if kind is None:
            assert self.faults == []

    def _hear(self, said: ConsoleMessage) -> None:
        # The browser's own line for each request that failed; no script can keep it from being written.
        if not said.text.startswith("Failed to load resource"):
            self.faults.append(said.text)

    def _note(self, request: Request) -> None:
        if "/v1/beacons/" in request.url:
            self.sent.append(request)

    def open(self, path: str = "/", origin: str | None = None) -> Page:
        page = self.context.new_page()
        page.goto((origin or self._site.origin) + path)
        return page

    def close(self, page: Page) -> None:
        """Close a tab as its viewer does, and wait until it is."""
        with page.expect_event("close"):
            page.close(run_before_unload=True)

    def ahead(self, page: Page, seconds: float) -> None:
        """Let the page's clock go on, and every timer with it."""
        page.clock.run_for(int(seconds * 1000))

    def settled(self, page: Page) -> None:
        """Wait until the page has nothing to send any more."""
        page.wait_for_function(f"() => ({KEPT}) === 0", polling=20)

    def delivered(
        self, page: Page, expected: Mapping[tuple[str, str], float], *, after: float = 1
    ) -> None:
        """Let so many seconds go by, and wait until the page has sent all and exactly that was counted."""
        self.ahead(page, after)
        self.settled(page)
        self.counted(expected)

    def new(self) -> dict[tuple[str, str], float]:
        """What was counted since this visitor came."""
        now = counts(self._exporter)
        return {
            key: value - self._before.get(key, 0)
            for key, value in now.items()
            if value != self._before.get(key, 0)
        }

    def counted(self, expected: Mapping[tuple[str, str], float]) -> None:
        """Wait until exactly that was counted."""
        wanted = dict(expected)
        last: list[Any] = [None]

        def same() -> bool:
            last[0] = self.new()
            return bool(last[0] == wanted)

        try:
            wait_for(same)
        except AssertionError:
            raise AssertionError(f"counted {last[0]}, not {wanted}") from None


def end(code: int | str, times: int = 1) -> dict[tuple[str, str], float]:
    return {(names.SESSION_ENDS, str(code)): times}


def interruption(code: int | str, times: int = 1) -> dict[tuple[str, str], float]:
    return {(names.SESSION_INTERRUPTIONS, str(code)): times}
