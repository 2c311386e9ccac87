"""Times, spans and parts as the report writes them."""

from datetime import UTC, datetime


def minute(at: float) -> str:
    """Without the year, which the first line has: an alert's summary needs the room of 80 columns."""
    return datetime.fromtimestamp(at, UTC).strftime("%a %d %b %H:%M")


def date(at: float) -> str:
    """A minute of a day, UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def length(seconds: float) -> str:
    """Seconds in the two largest units that matter."""
    minutes = round(seconds / 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes % 60:02}m" if hours else f"{minutes}m"


def rate(number: float) -> str:
    """A number a month: below ten its tenth matters."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def share(part: float) -> str:
    """A part of all: a code may be one in a hundred thousand."""
    return f"{part:.1%}" if part >= 0.001 else f"{part:.3%}"
