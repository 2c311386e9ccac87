"""The small chart: what it draws, and what it says for those who don't see it."""

import re

import pytest

from exporter.ops.trend import reach, trend

HOUR = 3600.0


def heights(figure: str) -> list[float]:
    return [float(found) for found in re.findall(r'<rect[^>]* height="([\d.]+)"', figure)]


def test_bars_are_in_proportion_and_the_last_is_at_the_right_edge() -> None:
    figure = trend((0, 5, 10), HOUR)
    assert heights(figure) == [60, 30]
    assert re.findall(r'x="(\d+)"', figure) == ["360", "354"]


def test_one_beside_a_thousand_can_be_seen() -> None:
    assert min(heights(trend((1, 1000), HOUR))) >= 3


def test_the_caption_says_what_the_chart_shows() -> None:
    said = trend((0, 5, 1200, 0, 0), HOUR)
    assert "the last hour: at most 1,200 a minute, the last 2 min ago." in said
    assert "restart" not in said


def test_nothing_is_a_sentence_and_no_empty_chart() -> None:
    said = trend((0, 0), HOUR)
    assert "<svg" not in said
    assert "None in the last hour." in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (12.4, "the 12 s since the exporter started"),
        (60.0, "the 1 minute since the exporter started"),
        (HOUR - 1, "the 59 minutes since the exporter started"),
        (HOUR, "the last hour"),
    ],
)
def test_a_history_shorter_than_an_hour_says_so(seconds: float, said: str) -> None:
    assert reach(seconds) == said
    assert ("A restart empties this chart" in trend((1,), seconds)) == (seconds < HOUR)
