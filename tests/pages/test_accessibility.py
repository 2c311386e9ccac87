"""Accessibility of every page on a phone and a laptop, dark and light, and the content policy."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.pages.visit import LAPTOP, PHONE, Visit

PAGES = (
    "/",
    "/codes",
    "/codes?q=timout",
    "/codes/streampixel/4001",
    "/codes/softdrive/unknown",
    "/codes/softdrive/99",
    "/alerts",
    "/alerts/SessionEndSpike",
    "/alerts/SessionEndsStopped",
    "/docs",
)
CUT = """() => [...document.querySelectorAll("html, body *")]
    .filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1 && !e.matches(".unseen"))
    .map(e => e.outerHTML.slice(0, 100))"""


def violations(visit: Visit) -> list[str]:
    """Rule and element of each violation that axe reports on the open page."""
    response: dict[str, Any] = Axe().run(visit.page).response
    assert len(response["passes"]) > 10, "axe checked nothing"
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (LAPTOP, "light")])
def test_pages_have_no_violation_and_no_cut_text(
    browser: Browser, base: str, size: dict[str, int], scheme: str
) -> None:
    mobile = size is PHONE
    with Visit(browser, base, viewport=size, color_scheme=scheme, is_mobile=mobile) as visit:
        for path in PAGES:
            page = visit.open(path)
            visit.faults = [fault for fault in visit.faults if "404 (Not Found)" not in fault]
            assert violations(visit) == [], path
            assert page.evaluate(CUT) == [], path


def test_content_policy_blocks_other_scripts_and_requests(visit: Visit) -> None:
    page = visit.open("/codes")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const picture = document.createElement("img");
            picture.src = "https://192.0.2.1/x.png";
            document.body.append(picture);
        }"""
    )
    assert page.evaluate("window.ran") is None
    page.wait_for_function("() => document.querySelector('img').complete")
    assert any("Content Security Policy" in fault for fault in visit.faults)
    assert visit.requests == [f"{visit.base}/codes"]
    visit.faults.clear()
