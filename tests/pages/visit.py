"""One visitor with a browser: opens pages, and notes every fault and every request."""

from typing import Any, Self

from playwright.sync_api import Browser, Page, Route

PHONE = {"width": 390, "height": 844}
LAPTOP = {"width": 1366, "height": 768}


class Visit:
    """A browser context; on leaving it asserts that nothing was said on the console, no script failed and
    nothing was asked for but pages of the exporter.

    Requests elsewhere are noted and not let through, so that a page that makes one is found without a
    network. `script` and the rest are options of the context.
    """

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        self.faults: list[str] = []
        self.requests: list[str] = []
        self._context = browser.new_context(**{"viewport": LAPTOP, "base_url": base} | options)
        self._context.route("**", self._note)
        self.page: Page = self._context.new_page()
        self.page.on("console", lambda said: self.faults.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))
        self.page.set_default_timeout(20_000)

    def _note(self, route: Route) -> None:
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
            self.hold()

    def hold(self) -> None:
        """What must be true of every visit."""
        assert self.faults == []
        assert [url for url in self.requests if not url.startswith(self.base + "/")] == []

    def grant(self, *permissions: str) -> None:
        self._context.grant_permissions(list(permissions))

    def open(self, path: str) -> Page:
        """The page at `path`, loaded."""
        self.page.goto(path)
        return self.page

    @property
    def path(self) -> str:
        """Path, query and fragment of where the visitor is."""
        return self.page.url.removeprefix(self.base)
