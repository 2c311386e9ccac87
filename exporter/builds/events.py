"""Streampixel's build events, and the series that each is counted in."""

from collections.abc import Sequence
from typing import Final

from exporter.ledger.contract import Family, Series

SYSTEM: Final = "streampixel"
BUILDS: Final = (
    "build.uploaded",
    "build.downloading",
    "build.extracting",
    "build.saving",
    "build.distributing",
    "build.approved",
    "build.rejected",
)
"""In the order of its pipeline (docs.streampixel.io, "Webhook event reference")."""
TEST: Final = "webhook.test"
"""What its dashboard's test button sends."""
EVENTS: Final = (*BUILDS, TEST)
REACHING: Final = ("build.distributing", "build.approved")
"""Events from which on users get another build: it goes to the servers, and it is ready to stream."""


def build_series(label_names: Sequence[str]) -> dict[str, Series]:
    """A series for each event. Builds have none of the configured labels, whose values are empty."""
    labels = ("",) * len(label_names)
    return {event: Series(Family.BUILDS, SYSTEM, event, "", "", "", labels) for event in EVENTS}
