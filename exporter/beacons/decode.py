"""Decodes a beacon's body, and sets the fields that the owner of a public key must not choose."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from exporter.beacons.sites import Site
from exporter.errors import Rejected
from exporter.event_fields import by_name
from exporter.ingest import strict_json
from exporter.ingest.decode import check_count, decode_items
from exporter.ingest.event import Decoded, Event, FieldMatcher, converted, from_json
from exporter.names import OTHER

MAX_EVENTS: Final = 100
"""Events in one beacon: a browser that was offline for a day has fewer."""
MAX_AGE: Final = 366 * 86400
"""Seconds: a browser that was closed sends its queue when it is opened again."""
MAX_DURATION: Final = 7 * 86400
"""Seconds, a week, longer than any viewer's session. Anyone with the public key can send a number, which
stays in the mean of all sessions forever."""
_ID_BYTES: Final = 128
"""The limit of all ids, checked here because hashing changes the length."""


class _Further(msgspec.Struct):
    """The fields that only beacons have."""

    reason: str | None = None
    age_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0


def decode(body: bytes, site: Site, now: float, max_depth: int) -> Decoded:
    """The events of a beacon from `site`, received at `now` (Unix seconds).

    | field | value |
    |---|---|
    | system | the site's |
    | time | `now` less `age_seconds`, at most `MAX_AGE`: a browser's clock may be years off |
    | duration | left out, and counted as an ignored field, if it is negative or above `MAX_DURATION` |
    | code | `reason` when there is no code |
    | labels | values that the site may send |
    | phase | the taxonomy's |
    | user | kept apart from users of other senders: a browser can only hide ends of its own site as repeats |
    | key | contains the site: a browser can't use the id of another sender's event |

    Raises `Unparseable`, `TooManyEvents` or `NothingValid`.
    """
    parsed = strict_json.parse(body)
    check_count(parsed.value, MAX_EVENTS, "beacon")
    # Never strict: a browser does not correct an event, so a rejected end would be lost.
    matcher = FieldMatcher(beacon=True)
    read = partial(_event, site=site, now=datetime.fromtimestamp(now, UTC))
    decoded = decode_items(parsed.items(max_depth), read, max_depth, matcher)
    decoded.relative_time = True
    return decoded


def _event(value: Any, matcher: FieldMatcher, site: Site, now: datetime) -> tuple[Event, str]:
    """The event in a JSON value, and a source that keeps its key apart from the keys of other senders."""
    value = matcher.match(value)
    if value.get("system") not in (None, "", site.system):
        raise Rejected("foreign_system", f"system: this key sends events of {site.system!r} only")
    if value.get("occurred_at") not in (None, ""):
        raise Rejected(
            "invalid_field",
            "occurred_at: not allowed in a beacon, a browser's clock may be wrong; send age_seconds",
        )
    further = converted(value, _Further)
    code = value.get("code")
    event = from_json(
        {
            **value,
            "system": site.system,
            "code": further.reason if code in (None, "") else code,
            # A page could create a series per phase for every code and label.
            "phase": None,
            "labels": _labels(value.get("labels"), site),
        }
    )
    if event.id is None:
        # A browser sends an event again when it could not read the answer.
        raise Rejected("invalid_field", "id: required in a beacon, the same in each retry")
    if event.duration_seconds is not None and not 0 <= event.duration_seconds <= MAX_DURATION:
        # A clock that was corrected during the session must not cost its end.
        event.duration_seconds = None
        matcher.count += 1
    event.id = _hashed(event.id)
    event.occurred_at = now - timedelta(seconds=min(further.age_seconds, MAX_AGE))
    if event.user is not None:
        event.user = f"beacon:{site.name}\0{event.user}"
    return event, f"beacon:{site.name}"


def _hashed(id_: str) -> str:
    """The hash of an id: a browser can't choose the deduplication key of its event."""
    # The key is an XXH3 hash, which can be inverted: an id can be computed that has the key of a trusted
    # sender's next id. The event of the trusted sender would then be rejected as a conflict.
    text = id_.encode()
    if len(text) > _ID_BYTES:
        raise Rejected("invalid_field", f"id: must be 1 to {_ID_BYTES} bytes")
    return hashlib.blake2b(text, digest_size=32).hexdigest()


def _labels(value: Any, site: Site) -> Any:
    """Labels that the site may send, numbers and booleans as text, with `other` for other values."""
    if not isinstance(value, dict):
        return value
    labels = {
        # A page's script writes `project: 42`, and no answer tells it that a label is a string.
        name: json.dumps(label) if isinstance(label, int | float) else label
        for name, label in by_name(site.labels, value).items()
        if label is not None
    }
    return {
        name: OTHER if isinstance(label, str) and label not in site.labels[name] else label
        for name, label in labels.items()
    }
