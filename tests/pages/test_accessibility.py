"""What axe finds on every page, on a phone, a laptop and a wall, light and dark: nothing."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.e2e.exporter_process import ExporterProcess
from tests.pages.visit import LAPTOP, PHONE, WALL, Visit

PAGES = (
    "/",
    "/codes",
    "/codes?q=timout",
    "/codes/streampixel/4001",
    "/codes/softdrive/unknown",
    "/codes/softdrive/99",
    "/alerts",
    "/alerts/SessionEndSpike",
    "/docs",
)


def violations(visit: Visit) -> list[str]:
    """Rule, and what breaks it, of everything axe holds against the open page."""
    found: dict[str, Any] = Axe().run(visit.page).response
    assert len(found["passes"]) > 10, "axe looked at nothing"
    return [
        f"{one['id']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]
    ]


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        pytest.param(size, scheme, id=f"{name}-{scheme}")
        for name, size in (("phone", PHONE), ("laptop", LAPTOP), ("wall", WALL))
        for scheme in ("light", "dark")
    ],
)
def test_axe_finds_nothing_and_no_page_is_wider_than_its_window(
    browser: Browser, exporter: ExporterProcess, size: dict[str, int], scheme: str
) -> None:
    base = f"http://127.0.0.1:{exporter.ports['ops']}"
    with Visit(browser, base, viewport=size, color_scheme=scheme) as visit:
        for path in PAGES:
            page = visit.open(path)
            visit.faults = [one for one in visit.faults if "404 (Not Found)" not in one]
            assert violations(visit) == [], path
            root = "document.documentElement"
            assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), path


def test_axe_would_find_a_fault(visit: Visit) -> None:
    page = visit.open("/codes/streampixel/4001")
    page.evaluate("document.querySelector('.first').style.color = 'rgb(200, 200, 200)'")
    page.evaluate("document.getElementById('said').outerHTML = '<img>'")
    found = " ".join(violations(visit))
    assert "color-contrast" in found
    assert "image-alt" in found


def test_the_policy_stops_what_is_not_the_pages_own(visit: Visit) -> None:
    """The visit notes it, and the browser does not run it: a script, a style and a picture."""
    page = visit.open("/codes/streampixel/4001")
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
    assert visit.requests == [f"{visit.base}/codes/streampixel/4001"]
    with pytest.raises(AssertionError):
        visit.hold()
    visit.faults.clear()
