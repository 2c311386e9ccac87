"""A beacon's body to events: nothing in it is believed that only a trusted sender could know."""

import hashlib
import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from exporter.beacons.sites import Site
from exporter.errors import NothingValid, Rejected, TooManyEvents
from exporter.ingest import careful
from exporter.ingest.event import Columns, Decoded, Event, Rejection
from exporter.names import OTHER

MAX_EVENTS: Final = 100
"""Events in one beacon: what waits in a browser that was offline for a day is fewer."""
MAX_AGE: Final = 366 * 86400
"""Seconds: a browser that was closed sends its queue when it is opened again."""
MAX_DURATION: Final = 7 * 86400
"""Seconds, a week: no viewer's session is longer, and anybody who reads the key may send any number, which
stays in the mean of all sessions for good."""
_ID_BYTES: Final = 128
"""As everybody's: looked at here because they have another length when they are hashed."""


def decode(body: bytes, site: Site, now: float, max_depth: int) -> Decoded:
    """The events of a beacon from `site`, received at `now`, Unix seconds.

    They are of the site's system; their times are `now` less `age_seconds`, because a browser's clock may
    be years off; without a code, `reason` is looked up as one; labels have values that the site may
    send, and the phase is the taxonomy's. Their ids are the site's own, so that no browser can take the id
    of somebody else's event.
    Raises `Unparseable`, `TooManyEvents` or `NothingValid`.
    """
    parsed = careful.parse(body)
    if isinstance(parsed.value, list):
        if len(parsed.value) > MAX_EVENTS:
            raise TooManyEvents(f"{len(parsed.value)} events: at most {MAX_EVENTS} in one beacon")
        if not parsed.value:
            raise NothingValid("no event in the body", [])
    items = parsed.items(max_depth)
    events: list[Event] = []
    places: list[int] = []
    rejected: list[Rejection] = []
    at = datetime.fromtimestamp(now, UTC)
    for place, item in enumerate(items):
        try:
            events.append(_event(item.checked(max_depth), site, at))
            places.append(place)
        except Rejected as error:
            rejected.append(Rejection(place, error.reason, error.message))
    return Decoded(
        Columns.of(events),
        len(items),
        rejected,
        places if rejected else None,
        [f"beacon:{site.name}"] * len(events),
        aged=True,
    )


def _event(value: Any, site: Site, now: datetime) -> Event:
    if not isinstance(value, dict):
        return careful.event(value)
    system = value.get("system")
    if system is not None and system != site.system:
        raise Rejected("foreign_system", f"system: this key sends events of {site.system!r} only")
    if value.get("id") is None:
        # What a browser can't see answered it sends again.
        raise Rejected("invalid_field", "id: required here, and the same each time it is sent")
    if value.get("occurred_at") is not None:
        raise Rejected(
            "invalid_field", "occurred_at: no browser's clock is believed; send age_seconds"
        )
    event = careful.event(
        {
            **value,
            "system": site.system,
            "code": _code(value),
            # Each phase is one more series for every code and label: a page could make five times as many.
            "phase": None,
            "labels": _labels(value.get("labels"), site),
        }
    )
    if event.duration_seconds is not None and not 0 <= event.duration_seconds <= MAX_DURATION:
        raise Rejected(
            "invalid_field", f"duration_seconds: must be 0 to {MAX_DURATION} (a week) in a beacon"
        )
    event.id = _hashed(event.id or "")
    event.occurred_at = now - timedelta(seconds=_age(value.get("age_seconds")))
    return event


def _hashed(id_: str) -> str:
    """An id whose deduplication key nobody can choose: that is XXH3, which can be run backwards.

    Sixteen bytes were found that had the key of an id which a trusted sender was about to use; its event
    was then rejected as a conflict.
    """
    text = id_.encode()
    if not 0 < len(text) <= _ID_BYTES:
        raise Rejected("invalid_field", f"id: must be 1 to {_ID_BYTES} bytes")
    return hashlib.blake2b(text, digest_size=32).hexdigest()


def _code(value: dict[str, Any]) -> Any:
    """The code, or the reason in words when no number came."""
    code, reason = value.get("code"), value.get("reason")
    if reason is not None and not isinstance(reason, str):
        raise Rejected("invalid_field", f"reason: must be a string, not {careful.kind(reason)}")
    return reason if code in (None, "") else code


def _age(value: Any) -> float:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("invalid_field", f"age_seconds: must be a number, not {careful.kind(value)}")
    if not (0 <= value <= MAX_AGE and math.isfinite(value)):
        raise Rejected("invalid_field", f"age_seconds: must be 0 to {MAX_AGE}")
    return value


def _labels(value: Any, site: Site) -> Any:
    """Labels that the site may send, `other` for values that it may not."""
    if not isinstance(value, dict):
        return value
    return {
        name: OTHER if isinstance(value[name], str) and value[name] not in allowed else value[name]
        for name, allowed in site.labels.items()
        if name in value
    }
