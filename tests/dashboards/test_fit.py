"""Longest texts of titles, columns and bars against their widths, with the metrics of Grafana's font.

Widths are those of the components of Grafana 11.6: at 1920 pixels the menu takes 300, on a phone every panel
has the whole width. A column without a width takes the rest of its table.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

import pytest

from dashboards.source.shared import SUMMARIES
from dashboards.source.style import title
from exporter.taxonomy import loader
from exporter.taxonomy.model import Outcome, Owner, Phase
from tests.dashboards.shipped import DASHBOARDS, PANELS, Json, find
from tests.pages.conftest import chromium

SYSTEMS = loader.load().systems.values()
CODES = [code for system in SYSTEMS for code in system.all_codes]
CONTENT = {"1920": 1588, "1366": 1334, "390": 358}
"""Width of the panels by screen."""
EDGES = 18
"""Border and padding of a panel, both sides."""
CUT = {("Alert list", "Alert"): {"1366", "390"}}
"""Columns that are cut on purpose, by screen: a hovered cell shows the whole text, and a table scrolls."""
LONGEST: dict[str, list[str]] = {
    "System": [system.system for system in SYSTEMS],
    "Code": [
        f"{code.code} {code.name}{' (neutral)' * (code.outcome == Outcome.NEUTRAL)}"
        for code in CODES
    ],
    "Owner": [title(owner) for owner in Owner],
    "Count": ["9,999,999"],
    "Failures": ["9,999,999"],
    "Share": ["100.0%"],
    "Of all ends": ["100%"],
    "× expected": ["9,999.9"],
    "Share of budget": ["1,000.0%"],
    "Severity": ["ticket"],
    "Alert": [
        *(f"{code.code} {code.name} elevated on {code.system}" for code in CODES),
        *(f"{words} streampixel" for words in SUMMARIES.values()),
    ],
    "Since": ["a few seconds ago", "59 minutes ago"],
    "About": ["Causes"],
    "Label": ["environment"],
}
NOT_MEASURED = {"Trend", "Text", "Fix", "Value"}
"""A sparkline, texts that wrap, and values that only the installation knows."""
BARS = {
    "Failures by category": [
        re.sub(r"(?: [Ee]rrors)?(?: [(].*[)])?$", "", text)
        for system in SYSTEMS
        for text in system.categories.values()
    ],
    "Failures by owner": [title(owner) for owner in Owner],
    "Failures by phase": [title(phase) for phase in Phase],
}
Measure = Callable[[str, int], float]


@pytest.fixture(scope="module")
def measure() -> Iterator[Measure]:
    """Width of a text in Inter, by its size in pixels; titles and cells have the same weight within 2 %."""
    with chromium() as browser:
        page = browser.new_page()
        script = """([text, font]) => {
            const context = document.createElement("canvas").getContext("2d");
            context.font = font;
            return context.measureText(text).width;
        }"""
        probe = "Wide Illinois 0123"
        widths = {
            page.evaluate(script, [probe, f"14px {font}"]) for font in ("Inter, serif", "serif")
        }
        assert len(widths) == 2, "Debian's package fonts-inter is missing"
        yield cache(lambda text, size: page.evaluate(script, [text, f"500 {size}px Inter"]))


def width(panel: Json, screen: str) -> float:
    content = CONTENT[screen]
    return content if content < 769 else panel["gridPos"]["w"] * (content + 8) / 24 - 8


def columns(panel: Json, screen: str) -> dict[str, float]:
    """Width of each visible column."""
    named = panel["transformations"][-1]["options"]["renameByName"].values()
    widths: dict[str, float | None] = dict.fromkeys(named)
    least: dict[str, float] = {}
    for override in panel["fieldConfig"]["overrides"]:
        name = override["matcher"]["options"]
        properties = {item["id"]: item["value"] for item in override["properties"]}
        if name in widths:
            widths[name] = properties.get("custom.width")
            least[name] = properties.get("custom.minWidth", 150)
        if properties.get("custom.hidden"):
            widths.pop(name, None)
    # Columns that need more than an equal part of the rest get what they need, the widest first.
    open_columns = [name for name in widths if not widths[name]]
    for name in sorted(open_columns, key=least.__getitem__, reverse=True):
        rest = width(panel, screen) - EDGES - sum(filter(None, widths.values()))
        widths[name] = max(least[name], rest / list(widths.values()).count(None))
    return {name: size for name, size in widths.items() if size}


@pytest.mark.parametrize("screen", CONTENT)
def test_titles_of_panels_are_shown_whole(measure: Measure, screen: str) -> None:
    """The icon of the description, 32 pixels, and the padding are on the same line as a title."""
    for panel in PANELS:
        text = panel["title"].replace("$system", "streampixel").replace("$label", "environment")
        side_by_side = 2 if panel.get("maxPerRow") and screen != "390" else 1
        available = width(panel, screen) / side_by_side - 48
        assert measure(text, 14) <= available, (panel["title"], screen)


@pytest.mark.parametrize("screen", CONTENT)
def test_columns_show_their_longest_text_or_are_listed(measure: Measure, screen: str) -> None:
    """A cell has 6 pixels of padding on each side and a border; a sorted column an arrow."""
    cut = set()
    for panel in PANELS:
        if panel["type"] != "table":
            continue
        widths = columns(panel, screen)
        assert screen == "390" or sum(widths.values()) <= width(panel, screen) - EDGES + 1
        for name, available in widths.items():
            if name in NOT_MEASURED:
                continue
            arrow = 20 if any(by["displayName"] == name for by in panel["options"]["sortBy"]) else 0
            header = measure(name, 14) + arrow if panel["options"]["showHeader"] else 0
            assert header <= available - 13, (panel["title"], name)
            if max(measure(text, 14) for text in LONGEST[name]) > available - 13:
                cut.add((panel["title"], name))
    assert cut == {place for place, screens in CUT.items() if screen in screens}


@pytest.mark.parametrize("screen", CONTENT)
def test_names_of_bars_are_shown_whole(measure: Measure, screen: str) -> None:
    for panel in PANELS:
        for begin, texts in BARS.items():
            if panel["title"].startswith(begin):
                longest = max(measure(text, 13) for text in texts)
                assert longest <= width(panel, screen) - EDGES, (panel["title"], screen)


def lines(measure: Measure, text: str, column: float) -> int:
    """Lines of a text that breaks between words. Grafana before 12.2 breaks at any letter: no more lines."""
    room = 0.98 * (column - 13)
    count, rest = 1, room
    for word in text.split():
        taken = measure(f"{word} ", 14)
        if taken > rest:
            count, rest = count + 1, room
        rest -= taken
    return count


def assert_fits(panel: Json, lines_of_rows: Iterable[int], header: int = 0) -> None:
    """A row with a wrapped text is 54 pixels in Grafana 11.6 (20 less from 12.2 on), each further line 22."""
    height = header + sum(54 + 22 * (count - 1) for count in lines_of_rows)
    assert height <= panel["gridPos"]["h"] * 38 - 8 - 32 - EDGES, panel["title"]


@pytest.mark.parametrize("screen", ["1920", "1366"])
def test_texts_of_every_code_are_shown_without_scrolling(measure: Measure, screen: str) -> None:
    panel = find("session-end-code", "Name, causes, fix")
    width_of_text = columns(panel, screen)["Text"]
    for code in CODES:
        texts = (code.name, code.causes, code.fix, code.owner)
        assert_fits(panel, [lines(measure, text, width_of_text) for text in texts])


def test_ten_top_codes_with_fixes_are_shown_without_scrolling(measure: Measure) -> None:
    """A header is 28 pixels high. Three alerts fit too: a row without wrapped texts has 36 pixels."""
    panel = find("session-ends", "Top 10 codes")
    fix = columns(panel, "1920")["Fix"]
    assert_fits(panel, [max(lines(measure, code.fix, fix) for code in CODES)] * 10, header=28)
    assert_fits(find("session-ends", "Alert list"), [], header=28 + 3 * 36)


def test_first_screen_of_the_overview_ends_with_the_breakdown_by_place() -> None:
    """A row is 30 pixels and 8 between: 22 are 836, the height that browser and Grafana leave of 1080."""
    panels = DASHBOARDS["session-ends"]["panels"]
    second = [row["gridPos"]["y"] for row in panels if row["type"] == "row"][1]
    assert second <= 22
