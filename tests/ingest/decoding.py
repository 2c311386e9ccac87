"""What a body decodes to, in words that compare."""

from random import Random
from typing import Any

from hypothesis import strategies as st

from exporter.errors import Refused, Rejected
from exporter.ingest.decode import Decoder
from exporter.ingest.labels import LabelValues
from exporter.ingest.media import Media
from tests.ingest import bodies
from tests.ingest.bodies import Pairs
from tests.ingest.listener import LABELS

DECODER = Decoder(max_events=200, max_depth=32)
RANDOM = st.integers(0, 2**32).map(Random)
"""A seed and not `st.randoms`, which remembers every number: a minute instead of seconds."""
FILLER = [Pairs((("system", "softdrive"), ("id", f"{n:04}" + "f" * 100))) for n in range(30)]
"""Makes a body long enough for the counting with numpy."""


def outcome(media: Media, body: bytes, decoder: Decoder = DECODER) -> str | dict[int, Any]:
    """A refusal's reason, or for each place the reason of its rejection or its fields."""
    try:
        decoded = decoder.decode(media, body, {})
    except Refused as refused:
        return refused.reason
    found: dict[int, Any] = {one.index: one.reason for one in decoded.rejected}
    events = decoded.events
    count = len(events.system)
    places = range(decoded.total) if decoded.places is None else decoded.places
    assert len(places) == count == decoded.total - len(decoded.rejected)
    for place, *fields, labels in zip(places, *events, strict=True):
        try:
            values = LabelValues(LABELS, 50, 32)[labels]
        except Rejected as error:
            found[place] = error.reason
        else:
            found[place] = dict(zip(bodies.FIELDS, (*fields, values), strict=True))
    assert sorted(found) == list(range(decoded.total))
    return found
