"""Counts per minute as a small bar chart: inline SVG, no script."""

from collections.abc import Sequence
from typing import Final

from exporter.ops.history import MINUTES
from exporter.ops.markup import Html, element, joined

_BAR: Final = 6
_GAP: Final = 1
_HEIGHT: Final = 60
_LEAST: Final = 3
"""Height of one end beside a thousand: none and few must not look the same."""


def trend(minutes: Sequence[int], seconds: float) -> Html:
    """A figure. `minutes` are counts, oldest first, the running one last; `seconds` is how long ago
    counting them began."""
    return element(
        "figure",
        joined(_chart(minutes), _axis()) if any(minutes) else Html(),
        element("figcaption", _caption(minutes, seconds)),
        class_="trend",
    )


def reach(seconds: float) -> str:
    """How far back the history goes, for people."""
    if seconds >= MINUTES * 60:
        return "the last hour"
    if seconds < 60:
        return f"the {seconds:.0f} s since the exporter started"
    minutes = int(seconds // 60)
    return f"the {minutes} minute{'s' if minutes > 1 else ''} since the exporter started"


def _caption(minutes: Sequence[int], seconds: float) -> str:
    short = (
        ""
        if seconds >= MINUTES * 60
        else " A restart empties this chart; Prometheus keeps the past."
    )
    if not any(minutes):
        return f"None in {reach(seconds)}.{short}"
    ago = next(place for place, count in enumerate(reversed(minutes)) if count)
    last = "in this minute" if ago == 0 else f"{ago} min ago"
    return f"A bar a minute, {reach(seconds)}: at most {max(minutes):,} a minute, the last {last}.{short}"


def _axis() -> Html:
    ends = (f"{MINUTES} min ago", "now")
    return element(
        "div", *(element("span", one) for one in ends), class_="axis", aria_hidden="true"
    )


def _chart(minutes: Sequence[int]) -> Html:
    width = (MINUTES + 1) * _BAR
    highest = max(minutes)
    bars = []
    for ago, count in enumerate(reversed(minutes)):
        if not count:
            continue
        height = max(round(count / highest * _HEIGHT, 1), _LEAST)
        when = "this minute" if ago == 0 else f"{ago} min ago"
        bars.append(
            element(
                "rect",
                element("title", f"{count:,} {when}"),
                x=width - (ago + 1) * _BAR,
                y=_HEIGHT - height,
                width=_BAR - _GAP,
                height=height,
            )
        )
    ground = element("path", d=f"M0 {_HEIGHT}.5H{width}")
    return element(
        "svg",
        ground,
        *bars,
        viewBox=f"0 0 {width} {_HEIGHT + 1}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
