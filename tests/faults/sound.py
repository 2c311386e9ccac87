"""Sound bodies in every format: what the mutator begins with."""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from exporter.ingest.media import Media


def bodies(media: Media) -> Sequence[bytes]:
    """Sound bodies of a format."""
    events = _EVENTS
    if media is Media.JSON:
        wholes: list[Any] = [*events, [], events, events[:2], [events[0]] * 3]
        return [_text(one) for one in wholes] + [json.dumps(events, indent=1).encode()]
    if media is Media.NDJSON:
        lines = [_text(one) for one in events]
        ends = (b"\n", b"\r\n", b"\n\n")
        return [
            *lines,
            *(end.join(lines) for end in ends),
            *(end.join(lines[:2]) + end for end in ends),
        ]
    if media is Media.CLOUDEVENT_BINARY:
        return [_text(one) for one in events]
    envelopes = [
        {"specversion": "1.0", "id": f"e{number}", "source": "/kiosk", "type": "end", "data": event}
        for number, event in enumerate(events)
    ]
    envelopes[0]["time"] = "2026-11-20T19:00:00Z"
    encoded = base64.b64encode(_text(events[0])).decode()
    envelopes.append({**envelopes[1], "data_base64": encoded, "data": None})
    if media is Media.CLOUDEVENT:
        return [_text(one) for one in envelopes]
    return [_text(envelopes), _text(envelopes[:2]), _text(envelopes[-1:])]


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


_EVENTS: Final[list[dict[str, Any]]] = [
    {"system": "streampixel", "code": 4001, "id": "a"},
    {"id": "b", "system": "softdrive", "code": "01", "occurred_at": "2026-11-20T19:00:00Z"},
    {
        "id": "7f1c",
        "system": "streampixel",
        "code": "4005",
        "session_id": "s-91",
        "occurred_at": "2026-11-20T18:59:00+00:00",
        "duration_seconds": 12.5,
        "phase": "connect",
        "final": True,
        "labels": {"region": "eu-west", "project": "configurator"},
    },
    {
        "system": "softdrive",
        "session_id": "s",
        "occurred_at": "2026-11-20T18:00:00Z",
        "final": False,
    },
    {
        "system": "softdrive",
        "code": None,
        "id": None,
        "labels": {"region": "é", "zone": [1, {"a": []}]},
    },
    {"system": "streampixel", "code": "", "id": "😀", "labels": {}},
]
