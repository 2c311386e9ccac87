"""The events of a file, and what is said of the others."""

from pathlib import Path

from exporter.send.events import FIELDS, Event, Skipped, events
from exporter.send.occurrences import Occurrences
from exporter.send.options import Format
from exporter.send.sources import Source


def read(path: Path, format: Format | None = None) -> tuple[list[Event], list[str]]:
    """The events, with the place cut down to the line, and what was said of the skipped."""
    sent, skipped = [], []
    source = Source(path, format)
    with Occurrences() as seen:
        for item in events("", source.read(FIELDS, lambda _: None), seen, lambda _: None):
            if isinstance(item, Skipped):
                skipped.append(f"{item.place[1:]} {item.message}")
            else:
                sent.append(item)
    return sent, skipped
